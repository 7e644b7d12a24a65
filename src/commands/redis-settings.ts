import type { RedisSettings } from '../budgets/client.ts';
import { resolveSecret, type Environment } from '../config/secrets.ts';
import type { Config, SecretRef } from '../config/types.ts';

/**
 * What the budget engine needs of the `redis` section, its references resolved. What is in a file stays a way to read it,
 * as it may be replaced; it must be there now. @throws SecretError for one that is missing
 */
export function redisSettings({ redis }: Config, env: Environment, readText: (path: string) => string): { redis?: RedisSettings; keyPrefix: string; timeoutMs?: number } {
  if (redis === undefined) return { keyPrefix: 'spillway' };
  const resolve = (value: string | number | SecretRef | undefined): string | undefined =>
    value === undefined ? undefined : typeof value === 'object' ? resolveSecret(value, env, readText) : String(value);
  const renewed = (value: string | SecretRef | undefined): string | (() => string) | undefined => {
    const now = resolve(value);
    return typeof value === 'object' && 'file' in value ? () => resolveSecret(value, env, readText) : now;
  };
  const url = renewed(redis.url);
  const host = resolve(redis.host);
  const port = resolve(redis.port);
  const username = renewed(redis.username);
  const password = renewed(redis.password);
  const settings: RedisSettings = {
    db: redis.db,
    ...(url !== undefined && { url }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port: Number(port) }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(redis.sentinel && { sentinel: redis.sentinel }),
    ...(redis.cluster && { cluster: redis.cluster }),
    ...(redis.tls && { tls: certificate(redis.tls.ca, readText) }),
  };
  return { redis: settings, keyPrefix: redis.keyPrefix, timeoutMs: redis.timeout };
}

function certificate(path: string | undefined, readText: (path: string) => string): NonNullable<RedisSettings['tls']> {
  if (path === undefined) return {};
  readText(path);
  return { ca: () => readText(path) };
}
