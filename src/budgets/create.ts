/** The engine that a configuration asks for. */
import { connectRedis, secretsOf, type RedisSettings } from './client.ts';
import { createProcessBudgets } from './process.ts';
import { watchRedis, type Finding } from './redis-check.ts';
import { createRedisBudgets, type RedisBudgetsOptions } from './redis.ts';
import { realTimers } from './timers.ts';
import type { Budgets } from './types.ts';

export interface BudgetsOptions extends Omit<RedisBudgetsOptions, 'client' | 'secrets'> {
  /** Absent: budgets of this process alone, and ioredis is not loaded. */
  readonly redis?: RedisSettings;
  /** What is wrong with how this Redis is set up, when it changes; none when all is well again. */
  readonly onFindings?: (findings: readonly Finding[]) => void;
}

/** How long a start waits for Redis; without it the first requests would be decided by shares. */
const START_MS = 1_000;

/** Rejects only for settings that cannot be read (a malformed address); a Redis that is away is no reason. */
export async function createBudgets(options: BudgetsOptions): Promise<Budgets> {
  const { redis, onFindings = () => undefined, ...rest } = options;
  // The time of day, for costs, but never going back.
  const clock = options.clock ?? (() => performance.timeOrigin + performance.now());
  if (!redis) return createProcessBudgets({ window: options.window, clock, ...(options.timers && { timers: options.timers }) });
  const client = await connectRedis(redis);
  const budgets = withClient(client, () => createRedisBudgets({ ...rest, client, clock, secrets: () => secretsOf(redis) }));
  client.once('end', watchRedis({ client, keyPrefix: options.keyPrefix, onFindings, ...(options.timers && { timers: options.timers }) }));
  const { after } = options.timers ?? realTimers;
  let cancel = () => undefined as void;
  const late = new Promise<void>((resolve) => {
    cancel = after(START_MS, resolve);
  });
  await Promise.race([budgets.started(), late]);
  cancel();
  return budgets;
}

/** A connection that nobody took over would keep the process. */
function withClient<T>(client: { disconnect(): void }, make: () => T): T {
  try {
    return make();
  } catch (error) {
    client.disconnect();
    throw error;
  }
}
