/** A real Redis Cluster for a test: three masters, a replica each. The first start takes about three seconds. */
import { createHash } from 'node:crypto';
import { ask, until, type AskOptions } from './redis-ask.ts';
import { freePort, QUICK_REPLICATION, startRedis, type RedisServer } from './redis-server.ts';
import { TLS_ARGS } from './redis-tls.ts';

export interface RedisCluster {
  /** The three masters of the beginning, then their replicas in the same order. Each can be killed, paused, restarted. */
  readonly nodes: readonly RedisServer[];
  /** host:port of each, as clients are told. */
  readonly addresses: readonly string[];
  slotOf(key: string): Promise<number>;
  /** Who serves the slot now. */
  owner(slot: number): Promise<RedisServer>;
  /** Resolves with the new owner once it is not `before` any more: after a kill, or a pause. */
  promoted(slot: number, before: RedisServer): Promise<RedisServer>;
  /** Planned: a replica of the slot's owner takes its place, nothing is lost. */
  failover(slot: number): Promise<RedisServer>;
  /** Moves the slot and its keys to another master, key by key; `onKey` is awaited after each. */
  moveSlot(slot: number, onKey?: (moved: number) => unknown): Promise<RedisServer>;
  /** Every living node serves, and every living replica follows its master. */
  healthy(): Promise<void>;
  stop(): Promise<void>;
}

export interface RedisClusterOptions {
  /** For the clients, and between the nodes. */
  readonly password?: string;
  /** More of every node's command line. */
  readonly args?: readonly string[];
  readonly program?: string;
  /** Clients and nodes talk with TLS; `nodes` keep a port without, for the test itself. */
  readonly tls?: boolean;
}

const SLOTS = 16_384;
const MASTERS = 3;

export async function startCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { password, args = [], program, tls = false } = options;
  const access: AskOptions = password === undefined ? {} : { password };
  const places = await Promise.all(
    Array.from({ length: 2 * MASTERS }, async () => {
      const port = await freePort();
      return { port, bus: await freePort(), shown: tls ? await freePort() : port };
    }),
  );
  const ids = places.map(({ port }) => createHash('sha1').update(String(port)).digest('hex'));
  const nodes = await Promise.all(
    places.map(({ port, bus, shown }, self) =>
      startRedis({
        port,
        ...(program === undefined ? {} : { program }),
        // As if it had been a cluster before: quicker than meeting node by node.
        files: { 'nodes.conf': knownNodes(places, ids, self) },
        args: [
          '--cluster-enabled',
          'yes',
          '--cluster-port',
          String(bus),
          '--cluster-node-timeout',
          '1000',
          '--cluster-replica-validity-factor',
          '0',
          ...QUICK_REPLICATION,
          ...(password === undefined ? [] : ['--requirepass', password, '--masterauth', password]),
          ...(tls ? ['--tls-port', String(shown), '--tls-cluster', 'yes', '--tls-replication', 'yes', ...TLS_ARGS] : []),
          ...args,
        ],
      }),
    ),
  );
  const on = (node: RedisServer, ...command: (string | number)[]) => ask(node.port, command, access);
  const shownOf = (node: RedisServer) => places[nodes.indexOf(node)]!.shown;
  const idOf = (node: RedisServer) => ids[nodes.indexOf(node)]!;

  const views = async (): Promise<NodeView[]> => {
    const look = async (node: RedisServer) => ownView(node, String(await ask(node.port, ['CLUSTER', 'NODES'], { ...access, timeoutMs: 300 })));
    const answers = await Promise.allSettled(nodes.map(look));
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  };
  const owner = async (slot: number): Promise<RedisServer> => {
    const claims = (await views()).filter((view) => view.isMaster && view.ranges.some(([from, to]) => from <= slot && slot <= to));
    // One that was away still believes it is the owner.
    const newest = claims.sort((a, b) => b.epoch - a.epoch)[0];
    if (!newest) throw new Error(`nobody serves slot ${slot}`);
    return newest.node;
  };
  const promoted = async (slot: number, before: RedisServer): Promise<RedisServer> => {
    let now = before;
    await until(`another owner of slot ${slot}`, async () => (now = await owner(slot)) !== before);
    return now;
  };
  const healthy = () =>
    until('a healthy cluster', async () => {
      const living = (await views()).map(({ node }) => node);
      const sane = await Promise.all(
        living.map(async (node) => {
          const state = String(await on(node, 'CLUSTER', 'INFO'));
          const replication = String(await on(node, 'INFO', 'replication'));
          const follows = !replication.includes('role:slave') || replication.includes('master_link_status:up');
          return state.includes('cluster_state:ok') && state.includes(`cluster_slots_ok:${SLOTS}`) && follows;
        }),
      );
      return sane.length > MASTERS - 1 && sane.every(Boolean);
    });

  await healthy();
  return {
    nodes,
    addresses: nodes.map((node) => `127.0.0.1:${shownOf(node)}`),
    slotOf: async (key) => Number(await on(nodes[0]!, 'CLUSTER', 'KEYSLOT', key)),
    owner,
    promoted,
    healthy,
    async failover(slot) {
      const before = await owner(slot);
      const replica = (await views()).find(({ masterId }) => masterId === idOf(before))?.node;
      if (!replica) throw new Error('the owner has no replica');
      await on(replica, 'CLUSTER', 'FAILOVER');
      return promoted(slot, before);
    },
    async moveSlot(slot, onKey) {
      const from = await owner(slot);
      const masters = (await views()).filter(({ isMaster, ranges }) => isMaster && ranges.length > 0).map(({ node }) => node);
      const to = masters.find((node) => node !== from)!;
      await on(to, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', idOf(from));
      await on(from, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', idOf(to));
      const auth = password === undefined ? [] : ['AUTH', password];
      for (let moved = 0; ; moved += 1) {
        const [key] = (await on(from, 'CLUSTER', 'GETKEYSINSLOT', slot, 1)) as string[];
        if (key === undefined) break;
        await on(from, 'MIGRATE', '127.0.0.1', shownOf(to), '', 0, 1_000, ...auth, 'KEYS', key);
        await onKey?.(moved + 1);
      }
      for (const node of [to, from, ...masters.filter((node) => node !== to && node !== from)])
        await on(node, 'CLUSTER', 'SETSLOT', slot, 'NODE', idOf(to));
      return to;
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

interface NodeView {
  readonly node: RedisServer;
  readonly isMaster: boolean;
  readonly masterId: string;
  readonly epoch: number;
  readonly ranges: readonly (readonly [number, number])[];
}

/** id ip:port@bus flags master ping pong epoch link slots… */
function ownView(node: RedisServer, text: string): NodeView {
  const line = text.split('\n').find((one) => one.includes('myself'))!;
  const [, , flags, masterId, , , epoch, , ...slots] = line.split(' ');
  const ranges = slots
    .filter((range) => !range.startsWith('['))
    .map((range) => range.split('-').map(Number))
    .map(([from, to = from]) => [from!, to!] as const);
  return { node, isMaster: flags!.includes('master'), masterId: masterId!, epoch: Number(epoch), ranges };
}

function knownNodes(places: readonly { shown: number; bus: number }[], ids: readonly string[], self: number): string {
  const lines = places.map(({ shown, bus }, i) => {
    const master = i % MASTERS;
    const isMaster = i < MASTERS;
    const flags = `${i === self ? 'myself,' : ''}${isMaster ? 'master' : 'slave'}`;
    const from = Math.floor((master * SLOTS) / MASTERS);
    const to = Math.floor(((master + 1) * SLOTS) / MASTERS) - 1;
    return `${ids[i]} 127.0.0.1:${shown}@${bus} ${flags} ${isMaster ? '-' : ids[master]} 0 0 ${master + 1} connected${isMaster ? ` ${from}-${to}` : ''}`;
  });
  return `${lines.join('\n')}\nvars currentEpoch ${MASTERS} lastVoteEpoch 0\n`;
}
