/** The connection to Redis: one server, Sentinel or Cluster. The only file that loads ioredis, and only when asked to. */
import type { Cluster, ClusterOptions, Redis, RedisOptions } from 'ioredis';
import type { RedisClient } from './commands.ts';
import { accessOf, keepFresh, urlOf, type RedisSettings } from './redis-access.ts';
import { answerSentinels } from './sentinel-password.ts';

export { secretsOf, type RedisSettings } from './redis-access.ts';

type PlainOptions = RedisOptions & { readonly replyMapping: 'legacy' };

/**
 * The back-stop for commands and the handshake. A request does not wait this long: its own deadline is kept by the
 * engine, which can tell Redis' lag from this process's.
 */
const COMMAND_MS = 1_000;

/** A silent connection with commands on it is given up after this: its host may be gone without a word. */
const SILENCE_MS = 3_000;

export async function connectRedis(settings: RedisSettings, random: () => number = Math.random): Promise<RedisClient> {
  // The default export is the CommonJS module itself, in Node and in a bundle alike.
  const { default: ioredis } = await import('ioredis');
  return settings.cluster
    ? preparedCluster(new ioredis.Cluster(settings.cluster.nodes.map(address), clusterOptions(settings, random)), settings)
    : preparedRedis(new ioredis.Redis(redisOptions(settings, random)), settings);
}

function preparedRedis(client: Redis, settings: RedisSettings): Redis {
  // Without a listener ioredis writes errors to standard error; what they mean is told by the engine.
  client.on('error', () => undefined);
  keepFresh(client.options, settings, settings.sentinel ? undefined : hostOf(settings));
  if (settings.sentinel) answerSentinels(client);
  return client;
}

function preparedCluster(cluster: Cluster, settings: RedisSettings): Cluster {
  cluster.on('error', (error: Error & { lastNodeError?: Error | null }) => {
    // "Failed to refresh slots cache." says nothing of a wrong password.
    if (error.lastNodeError) error.message += ` ${error.lastNodeError.message}`;
  });
  // A node connects later, on its first use.
  cluster.on('+node', (node: Redis) => {
    keepFresh(node.options, settings, node.options.host);
    // ioredis looks at no answer to this one; a rejection that nobody handles would end the process.
    const asking = node.asking.bind(node);
    node.asking = () => {
      const answer = asking();
      answer.catch(() => undefined);
      return answer;
    };
  });
  return cluster;
}

/** limiter.md 4.7. A queue in the client would hide that Redis is away; ours is in outbox.ts. */
function commonOptions(settings: RedisSettings, host?: string): PlainOptions {
  return {
    protocol: 2,
    replyMapping: 'legacy',
    ...accessOf(settings, host),
    maxRetriesPerRequest: 0,
    enableAutoPipelining: false,
    autoResendUnfulfilledCommands: false,
    commandTimeout: COMMAND_MS,
    connectTimeout: 1_000,
    // Of a connection that is closed already, ioredis would hold the process for two seconds.
    disconnectTimeout: 100,
    socketTimeout: SILENCE_MS,
    keepAlive: 10_000,
    // The address may mean another server by now; in a script the word stands further back.
    reconnectOnError: ({ message }) => /\bREADONLY\b/.test(message),
  };
}

export function redisOptions(settings: RedisSettings, random: () => number): PlainOptions {
  const retry = {
    db: databaseOf(settings),
    enableOfflineQueue: false,
    retryStrategy: (times: number) => jittered(times, random),
  };
  if (settings.sentinel) {
    const options = commonOptions(settings);
    return {
      ...options,
      ...retry,
      name: settings.sentinel.name,
      sentinels: settings.sentinel.nodes.map(address),
      sentinelRetryStrategy: (times) => jittered(times, random),
      // A Sentinel whose host stands still would be waited for without end.
      sentinelCommandTimeout: COMMAND_MS,
      enableTLSForSentinelMode: options.tls !== undefined,
      ...(options.tls ? { sentinelTLS: options.tls } : {}),
    };
  }
  const url = urlOf(settings);
  const host = hostOf(settings);
  const port = url ? Number(url.port || 6379) : (settings.port ?? 6379);
  return { ...commonOptions(settings, host), ...retry, host, port };
}

export function clusterOptions(settings: RedisSettings, random: () => number): ClusterOptions & { redisOptions: PlainOptions } {
  return {
    // Its nodes keep their own queue and retries: ioredis connects them on first use and replaces them itself.
    redisOptions: commonOptions(settings),
    enableOfflineQueue: false,
    maxRedirections: 2,
    retryDelayOnTryAgain: 10,
    retryDelayOnFailover: 20,
    retryDelayOnClusterDown: 20,
    slotsRefreshTimeout: 500,
    clusterRetryStrategy: (times) => jittered(times, random),
    // An address in place of the name would not be the one in the certificate.
    ...(settings.tls ? { dnsLookup: (host, use) => use(null, host) } : {}),
  };
}

function hostOf(settings: RedisSettings): string {
  const url = urlOf(settings);
  return url ? url.hostname.replace(/^\[|\]$/g, '') : (settings.host ?? '127.0.0.1');
}

function databaseOf(settings: RedisSettings): number {
  return Number(urlOf(settings)?.pathname.slice(1) || (settings.db ?? 0));
}

/**
 * 50 to 450 ms, so that pods do not come back all at once, and none later than the others wait for it: what it decided alone
 * is to be told before they are decided for (homecoming.ts).
 */
function jittered(times: number, random: () => number): number {
  const most = Math.min(450, 50 * 2 ** Math.min(times, 10));
  return Math.round(50 + random() * (most - 50));
}

/** host:port, also [::1]:6379. */
function address(node: string): { host: string; port: number } {
  const { hostname, port } = new URL(`redis://${node}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) };
}
