/** What can befall Redis: one server, Sentinel, Cluster. In its scene each fault leaves a clean state for the next. */
import { setTimeout as pause } from 'node:timers/promises';
import { ask } from '../../support/redis-ask.ts';
import { startCluster, type RedisCluster } from '../../support/redis-cluster.ts';
import { startSentinels, type RedisSentinels } from '../../support/redis-sentinel.ts';
import { freePort, startRedis, type RedisServer } from '../../support/redis-server.ts';
import type { Fault } from './measure.ts';
import { envFor } from '../setup.ts';
import { openStage, PODS, type Stage } from './stage.ts';

export interface Scene {
  readonly name: string;
  readonly faults: readonly Fault[];
  open(): Promise<Stage>;
  /** Of the servers; the stage is closed before. */
  close(): Promise<unknown>;
}

/** Who the sidecars are to Redis: the test itself stays another, whatever they may not do. */
const USERS = Array.from({ length: PODS }, (_, pod) => `spillway-${pod}`);
const PASSWORD = 'secret';
const ARGS = USERS.flatMap((user) => ['--user', user, 'on', `>${PASSWORD}`, '~*', '&*', '+@all']);
/** Longer than a minute of the stage: then only shares are left. */
const LONG_MS = 2_200;
const SHORT_MS = 700;
const PAUSE_MS = 2_000;
/** At least a beat, and a minute. */
const SNAPSHOT_MS = 1_600;

export function oneServer(): Scene {
  let port = 0;
  let redis: RedisServer | undefined;
  const tell = (...command: (string | number)[]) => ask(port, command);
  const nothing = () => undefined;
  const allow = (rule: string, users: readonly string[]) => Promise.all(users.map((user) => tell('ACL', 'SETUSER', user, rule)));
  const snapshotAndKill = async () => {
    await tell('SAVE');
    await pause(SNAPSHOT_MS);
    await redis!.kill();
  };
  return {
    name: 'one server',
    async open() {
      port = await freePort();
      const place = (pod: number) => ({ url: `redis://${USERS[pod]}:${PASSWORD}@127.0.0.1:${port}` });
      return openStage(place(0), (pod) => envFor(place(pod)));
    },
    close: async () => redis?.stop(),
    faults: [
      { name: 'absent at the start, comes later', why: 'each pod has 1/`maxPods` until then', alone: 'all', lastsMs: SHORT_MS, begin: nothing, end: async () => (redis = await startRedis({ port, args: ARGS })) },
      { name: 'stands still (SIGSTOP), goes on', why: 'each pod has the share that it was granted last, and no more than what was free; what it took alone is told before Redis decides again', alone: 'all', lastsMs: LONG_MS, begin: () => redis!.pause(), end: () => redis!.resume() },
      { name: 'killed, started again empty', learns: true, why: "the same; Redis decides nothing until all pods have told the last minute's use", alone: 'all', lastsMs: LONG_MS, begin: () => redis!.kill(), end: () => redis!.restart() },
      { name: 'emptied (FLUSHALL)', learns: true, why: 'noticed at the next request, by the epoch; then the same', alone: 'all', lastsMs: 0, begin: () => tell('FLUSHALL') },
      { name: 'forgets its scripts (SCRIPT FLUSH)', why: 'the client sends them again', alone: 'none', lastsMs: 0, begin: () => tell('SCRIPT', 'FLUSH') },
      { name: 'paused for 2 s (CLIENT PAUSE)', why: 'as if it stood still', alone: 'all', lastsMs: PAUSE_MS, begin: () => tell('CLIENT', 'PAUSE', PAUSE_MS, 'ALL'), end: nothing },
      { name: 'full (maxmemory, noeviction), grows', why: 'a refusal is an answer: nobody waits', alone: 'all', lastsMs: SHORT_MS, begin: () => tell('CONFIG', 'SET', 'maxmemory', 1), end: () => tell('CONFIG', 'SET', 'maxmemory', 0) },
      { name: 'loses the right to write (ACL), gets it back', why: 'the same', alone: 'all', lastsMs: SHORT_MS, begin: () => allow('-@write', USERS), end: () => allow('+@all', USERS) },
      { name: 'one pod of three loses it for itself', why: 'its share comes on top of what the others get from Redis', alone: 'one', lastsMs: LONG_MS, begin: () => allow('-@write', USERS.slice(0, 1)), end: () => allow('+@all', USERS) },
      { name: 'killed, started again from an old snapshot', learns: true, why: 'noticed by the newest beat, then as if empty; places of calls that have ended meanwhile are free after 30 s', alone: 'all', lastsMs: 0, begin: snapshotAndKill, end: () => redis!.restart() },
    ],
  };
}

export function sentinel(): Scene {
  let group: RedisSentinels;
  let master: RedisServer;
  return {
    name: 'Sentinel',
    async open() {
      group = await startSentinels();
      master = await group.master();
      return openStage({ section: { sentinel: { name: group.name, nodes: group.addresses } } });
    },
    close: () => group.stop(),
    faults: [{ name: 'Sentinel: the master is killed', why: "what Redis took and had not handed to the replica is lost: milliseconds' worth", alone: 'all', lastsMs: 0, begin: () => master.kill(), end: () => group.promoted(master) }],
  };
}

export function cluster(): Scene {
  let nodes: RedisCluster;
  let slot = 0;
  let owner: RedisServer;
  let moving: Promise<RedisServer>;
  return {
    name: 'Cluster',
    async open() {
      nodes = await startCluster();
      slot = await nodes.slotOf('{spillway}');
      return openStage({ section: { cluster: { nodes: nodes.addresses } } });
    },
    close: () => nodes.stop(),
    faults: [
      // Half of a script's keys are here and half there: Redis refuses it until the move is over.
      { name: 'Cluster: the slot moves, for a second', why: 'no script runs while a part of its keys is elsewhere', alone: 'all', lastsMs: 0, begin: () => void (moving = nodes.moveSlot(slot, () => pause(100))), end: () => moving },
      { name: 'Cluster: the master of the slot is killed', why: 'as with Sentinel', alone: 'all', lastsMs: 0, begin: async () => (owner = await nodes.owner(slot)).kill(), end: () => nodes.promoted(slot, owner) },
    ],
  };
}
