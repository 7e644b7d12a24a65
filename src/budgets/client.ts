/** The connection to Redis: one server, Sentinel or Cluster. The only file that loads ioredis, and only when asked to. */
import type { ClusterOptions, RedisOptions } from 'ioredis';
import type { RedisClient } from './commands.ts';

export interface RedisSettings {
  /** redis:// or rediss://; instead of host, port, db, username and password. */
  readonly url?: string;
  readonly host?: string;
  readonly port?: number;
  readonly db?: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: { readonly ca?: string };
  /** Nodes as host:port. */
  readonly sentinel?: { readonly name: string; readonly nodes: readonly string[] };
  readonly cluster?: { readonly nodes: readonly string[] };
}

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
  const { Cluster, Redis } = ioredis;
  const client = settings.cluster
    ? new Cluster(settings.cluster.nodes.map(address), clusterOptions(settings, random))
    : new Redis(redisOptions(settings, random));
  // Without a listener ioredis writes errors to standard error; what they mean is told by the engine.
  client.on('error', () => undefined);
  return client;
}

/** What must not be seen in an error's text. */
export function secretsOf(settings: RedisSettings): string[] {
  const inUrl = urlOf(settings)?.password;
  const secrets = [settings.password, inUrl, inUrl && decodeURIComponent(inUrl)];
  return secrets.filter((secret): secret is string => secret !== undefined && secret !== '');
}

/** limiter.md 4.7. A queue in the client would hide that Redis is away; ours is in settles.ts. */
function commonOptions(settings: RedisSettings): PlainOptions {
  return {
    protocol: 2,
    replyMapping: 'legacy',
    ...credentials(settings),
    ...(settings.tls || settings.url?.startsWith('rediss:') ? { tls: { ...settings.tls } } : {}),
    maxRetriesPerRequest: 0,
    enableAutoPipelining: false,
    autoResendUnfulfilledCommands: false,
    commandTimeout: COMMAND_MS,
    connectTimeout: 1_000,
    socketTimeout: SILENCE_MS,
    keepAlive: 10_000,
  };
}

export function redisOptions(settings: RedisSettings, random: () => number): PlainOptions {
  const options: PlainOptions = {
    ...commonOptions(settings),
    db: databaseOf(settings),
    enableOfflineQueue: false,
    retryStrategy: (times) => jittered(times, random),
  };
  if (settings.sentinel)
    return {
      ...options,
      name: settings.sentinel.name,
      sentinels: settings.sentinel.nodes.map(address),
      sentinelRetryStrategy: (times) => jittered(times, random),
      enableTLSForSentinelMode: settings.tls !== undefined,
      ...(settings.tls ? { sentinelTLS: { ...settings.tls } } : {}),
    };
  const url = urlOf(settings);
  return {
    ...options,
    host: url ? url.hostname.replace(/^\[|\]$/g, '') : (settings.host ?? '127.0.0.1'),
    port: url ? Number(url.port || 6379) : (settings.port ?? 6379),
  };
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
  };
}

function credentials(settings: RedisSettings): Pick<RedisOptions, 'username' | 'password'> {
  const url = urlOf(settings);
  const username = url ? decodeURIComponent(url.username) : settings.username;
  const password = url ? decodeURIComponent(url.password) : settings.password;
  return { ...(username ? { username } : {}), ...(password ? { password } : {}) };
}

function databaseOf(settings: RedisSettings): number {
  const url = urlOf(settings);
  return url ? Number(url.pathname.slice(1) || 0) : (settings.db ?? 0);
}

/** Node's own error carries the whole text, and with it the password. */
function urlOf({ url }: RedisSettings): URL | undefined {
  if (url === undefined) return undefined;
  if (!URL.canParse(url)) throw new Error('the Redis url cannot be read');
  return new URL(url);
}

/** 50 to 1,000 ms, so that pods do not come back all at once. */
function jittered(times: number, random: () => number): number {
  const most = Math.min(1_000, 50 * 2 ** Math.min(times, 10));
  return Math.round(50 + random() * (most - 50));
}

/** host:port, also [::1]:6379. */
function address(node: string): { host: string; port: number } {
  const { hostname, port } = new URL(`redis://${node}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) };
}
