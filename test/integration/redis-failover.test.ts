/** Failovers and a moved slot: the connection comes back by itself, and no command waits longer than its time-out. */
import { expect, jest, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { connectRedis } from '../../src/budgets/client.ts';
import type { RedisClient } from '../../src/budgets/commands.ts';
import { atEnd, kept } from '../support/cleanups.ts';
import { ask, until } from '../support/redis-ask.ts';
import { startCluster } from '../support/redis-cluster.ts';
import { startSentinels } from '../support/redis-sentinel.ts';
import { settingsOf } from '../support/redis-settings.ts';
import { describeWithRedis, startRedis } from '../support/redis.ts';

/** The client's own time-out is 1 s; the rest is for a busy machine. */
const LONGEST_MS = 1_700;
const KEYS = ['{spillway}:rsv', '{spillway}:lease', '{spillway}:u:main'];

/** A command every 20 ms, whatever becomes of the others. */
function pulse(client: RedisClient) {
  const stop = new AbortController();
  const errors = new Map<string, number>();
  let longest = 0;
  let inRow = 0;
  const one = async (): Promise<void> => {
    const start = performance.now();
    try {
      await client.eval("for _, key in ipairs(KEYS) do redis.call('INCR', key) end return 1", KEYS.length, ...KEYS);
      inRow += 1;
    } catch (error) {
      inRow = 0;
      const { message } = error as Error;
      errors.set(message, (errors.get(message) ?? 0) + 1);
    }
    longest = Math.max(longest, performance.now() - start);
  };
  const running = (async () => {
    const all: Promise<void>[] = [];
    while (!stop.signal.aborted) {
      all.push(one());
      await pause(20);
    }
    await Promise.all(all);
  })();
  return {
    errors,
    works: () => until('the commands are answered again', () => inRow > 10, 10_000).then(() => (inRow = 0)),
    end: async () => {
      stop.abort();
      await running;
      return longest;
    },
  };
}

describeWithRedis('Redis moves', () => {
  const connected = async (redis: object): Promise<RedisClient> => {
    const client = await connectRedis(settingsOf(redis));
    atEnd(() => client.disconnect());
    await until('connected', () => client.status === 'ready');
    return client;
  };

  test('Sentinel: the master is killed', async () => {
    const group = kept(await startSentinels());
    const beats = pulse(await connected({ sentinel: { name: group.name, nodes: group.addresses } }));
    await beats.works();
    const before = await group.master();
    await before.kill();
    await group.promoted(before);
    await beats.works();
    expect(await beats.end()).toBeLessThan(LONGEST_MS);
  });

  test('Sentinel: a planned failover', async () => {
    const group = kept(await startSentinels());
    const beats = pulse(await connected({ sentinel: { name: group.name, nodes: group.addresses } }));
    await beats.works();
    await group.failover();
    await beats.works();
    expect(await beats.end()).toBeLessThan(LONGEST_MS);
  });

  test('Sentinel: the master stands still, and goes on too late', async () => {
    const group = kept(await startSentinels());
    const beats = pulse(await connected({ sentinel: { name: group.name, nodes: group.addresses } }));
    await beats.works();
    const before = await group.master();
    before.pause();
    const after = await group.promoted(before);
    await beats.works();
    before.resume();
    const count = async () => Number(await ask(after.port, ['GET', KEYS[0]!]));
    const soFar = await count();
    await until('the new master is written to', async () => (await count()) > soFar + 10);
    expect(await beats.end()).toBeLessThan(LONGEST_MS);
  });

  test('Sentinel: the first Sentinel stands still, and the next is asked', async () => {
    const group = kept(await startSentinels());
    group.sentinels[0]!.pause();
    const client = await connected({ sentinel: { name: group.name, nodes: group.addresses } });
    expect(await client.eval('return 1', 1, '{spillway}:x')).toBe(1);
  });

  test('one server that becomes a replica: its address is asked again until it is a master', async () => {
    const server = kept(await startRedis());
    const beats = pulse(await connected({ url: server.url }));
    await beats.works();
    const connections = async () => Number(/total_connections_received:(\d+)/.exec(String(await ask(server.port, ['INFO', 'stats'])))![1]);
    await ask(server.port, ['REPLICAOF', '127.0.0.1', '1']);
    const before = await connections();
    await until('connections anew', async () => (await connections()) > before + 10);
    await ask(server.port, ['REPLICAOF', 'NO', 'ONE']);
    await beats.works();
    expect(await beats.end()).toBeLessThan(LONGEST_MS);
  });

  test('Cluster: a planned failover, a moved slot, the owner killed, the owner standing still', async () => {
    const cluster = kept(await startCluster());
    const slot = await cluster.slotOf('{spillway}');
    const client = await connected({ cluster: { nodes: cluster.addresses.slice(0, 2) } });
    const beats = pulse(client);
    await beats.works();

    await cluster.failover(slot);
    await beats.works();
    await cluster.healthy();

    // Half of a script's keys here and half there: Redis refuses it until the move is over.
    beats.errors.clear();
    await cluster.moveSlot(slot, () => pause(200));
    expect([...beats.errors.keys()].join(' ')).toContain('TRYAGAIN');
    await beats.works();

    const killed = await cluster.owner(slot);
    await killed.kill();
    await cluster.promoted(slot, killed);
    await beats.works();
    await killed.restart();
    await cluster.healthy();

    const paused = await cluster.owner(slot);
    paused.pause();
    await cluster.promoted(slot, paused);
    await beats.works();
    paused.resume();
    await cluster.healthy();
    await beats.works();
    expect(await beats.end()).toBeLessThan(LONGEST_MS);
  });

  test('a cluster: no rejection is left unhandled, and an error tells its cause', async () => {
    const server = kept(await startRedis());
    const client = await connectRedis({ cluster: { nodes: [`127.0.0.1:${server.port}`] } });
    atEnd(() => client.disconnect());
    const causes: string[] = [];
    client.on('error', ({ message }: Error) => causes.push(message));
    const handled = jest.fn();
    const node = { options: { host: '127.0.0.1' }, asking: () => ({ catch: handled }) };
    client.emit('+node', node);
    node.asking();
    expect(handled).toHaveBeenCalled();
    await until('the cause is told', () => causes.some((text) => text.includes('cluster support disabled')));
  });
});
