import type { RedisSettings } from '../budgets/client.ts';
import { resolveSecret, type Environment } from '../config/secrets.ts';
import type { Config, SecretRef } from '../config/types.ts';

/** What the budget engine needs of the `redis` section, its references resolved. @throws SecretError for one that is missing */
export function redisSettings({ redis }: Config, env: Environment, readText: (path: string) => string): { redis?: RedisSettings; keyPrefix: string; timeoutMs?: number } {
  if (redis === undefined) return { keyPrefix: 'spillway' };
  const resolve = (value: string | number | SecretRef | undefined): string | undefined =>
    value === undefined ? undefined : typeof value === 'object' ? resolveSecret(value, env, readText) : String(value);
  const url = resolve(redis.url);
  const host = resolve(redis.host);
  const port = resolve(redis.port);
  const username = resolve(redis.username);
  const password = resolve(redis.password);
  const settings: RedisSettings = {
    db: redis.db,
    ...(url !== undefined && { url }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port: Number(port) }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(redis.sentinel && { sentinel: redis.sentinel }),
    ...(redis.cluster && { cluster: redis.cluster }),
    ...(redis.tls && { tls: { ...(redis.tls.ca !== undefined && { ca: readText(redis.tls.ca) }) } }),
  };
  return { redis: settings, keyPrefix: redis.keyPrefix, timeoutMs: redis.timeout };
}
