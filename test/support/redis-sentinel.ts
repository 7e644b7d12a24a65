/** A real master with replicas, watched by real Sentinels, for a test. A master that is gone is replaced after about two seconds. */
import { ask, until, type AskOptions } from './redis-ask.ts';
import { freePort, QUICK_REPLICATION, startRedis, type RedisServer } from './redis-server.ts';

export interface RedisSentinels {
  /** What the Sentinels call the master. */
  readonly name: string;
  /** The master of the beginning, then the replicas. Each can be killed, paused, restarted. */
  readonly nodes: readonly RedisServer[];
  readonly sentinels: readonly RedisServer[];
  /** host:port of each Sentinel. */
  readonly addresses: readonly string[];
  /** Whom most Sentinels take for the master. */
  master(): Promise<RedisServer>;
  /** Resolves with the new master once it is not `before` any more: after a kill, or a pause. */
  promoted(before: RedisServer): Promise<RedisServer>;
  /** Planned: the Sentinels put a replica in the master's place. Not again within four seconds. */
  failover(): Promise<RedisServer>;
  stop(): Promise<void>;
}

export interface RedisSentinelsOptions {
  /** 1 by default. */
  readonly replicas?: number;
  readonly password?: string;
  readonly sentinelPassword?: string;
}

const NAME = 'main';
const QUORUM = 2;

export async function startSentinels(options: RedisSentinelsOptions = {}): Promise<RedisSentinels> {
  const { replicas = 1, password, sentinelPassword } = options;
  const access: AskOptions = password === undefined ? {} : { password };
  const sentinelAccess: AskOptions = sentinelPassword === undefined ? { timeoutMs: 300 } : { password: sentinelPassword, timeoutMs: 300 };
  const locked = password === undefined ? [] : ['--requirepass', password, '--masterauth', password];
  const first = await startRedis({ args: [...QUICK_REPLICATION, ...locked] });
  const follow = ['--replicaof', `127.0.0.1 ${first.port}`];
  const others = await Promise.all(Array.from({ length: replicas }, () => startRedis({ args: [...QUICK_REPLICATION, ...locked, ...follow] })));
  const nodes = [first, ...others];
  await until('the replicas follow', async () =>
    String(await ask(first.port, ['INFO', 'replication'], access)).split('state=online').length === replicas + 1,
  );

  const ports = [await freePort(), await freePort(), await freePort()];
  const myself = (port: number) => port.toString(16).padStart(40, '0');
  const sentinels = await Promise.all(
    ports.map((port) =>
      startRedis({
        port,
        sentinel: [
          ...(sentinelPassword === undefined ? [] : [`requirepass ${sentinelPassword}`, `sentinel sentinel-pass ${sentinelPassword}`]),
          `sentinel myid ${myself(port)}`,
          `sentinel monitor ${NAME} 127.0.0.1 ${first.port} ${QUORUM}`,
          `sentinel down-after-milliseconds ${NAME} 500`,
          `sentinel failover-timeout ${NAME} 2000`,
          ...(password === undefined ? [] : [`sentinel auth-pass ${NAME} ${password}`]),
          ...others.map((other) => `sentinel known-replica ${NAME} 127.0.0.1 ${other.port}`),
          ...ports.filter((other) => other !== port).map((other) => `sentinel known-sentinel ${NAME} 127.0.0.1 ${other} ${myself(other)}`),
          '',
        ].join('\n'),
      }),
    ),
  );
  const on = (sentinel: RedisServer, ...command: string[]) => ask(sentinel.port, ['SENTINEL', ...command], sentinelAccess);

  const master = async (): Promise<RedisServer> => {
    const answers = await Promise.allSettled(sentinels.map((sentinel) => on(sentinel, 'get-master-addr-by-name', NAME)));
    const named = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [Number((answer.value as string[])[1])] : []));
    const agreed = nodes.find(({ port }) => named.filter((one) => one === port).length >= QUORUM);
    if (!agreed) throw new Error('the Sentinels do not agree on a master');
    return agreed;
  };
  const promoted = async (before: RedisServer): Promise<RedisServer> => {
    let now = before;
    await until('another master', async () => {
      now = await master();
      return now !== before && String(await ask(now.port, ['INFO', 'replication'], access)).includes('role:master');
    });
    return now;
  };
  await until('the Sentinels know each other and the replicas', async () => {
    const states = await Promise.all(sentinels.map(async (sentinel) => pairs(await on(sentinel, 'MASTER', NAME))));
    return states.every((state) => state.get('flags') === 'master' && state.get('num-slaves') === String(replicas) && state.get('num-other-sentinels') === '2');
  });
  await until('the Sentinels hear the replicas', async () => {
    const lists = await Promise.all(sentinels.map(async (sentinel) => (await on(sentinel, 'REPLICAS', NAME)) as unknown[]));
    return lists.flat().every((one) => pairs(one).get('flags') === 'slave' && pairs(one).get('master-link-status') === 'ok');
  });

  return {
    name: NAME,
    nodes,
    sentinels,
    addresses: sentinels.map(({ port }) => `127.0.0.1:${port}`),
    master,
    promoted,
    async failover() {
      const before = await master();
      await on(sentinels[0]!, 'FAILOVER', NAME);
      return promoted(before);
    },
    async stop() {
      await Promise.all([...sentinels, ...nodes].map((node) => node.stop()));
    },
  };
}

function pairs(list: unknown): Map<string, string> {
  const flat = list as string[];
  return new Map(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1]!] as const] : [])));
}
