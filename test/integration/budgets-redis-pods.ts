/** Pods over one real Redis, with everything that takes its time made short. */
import { afterEach, beforeEach } from '@jest/globals';
import { connectRedis } from '../../src/budgets/client.ts';
import type { RedisClient } from '../../src/budgets/commands.ts';
import { createRedisBudgets, type RedisBudgets, type RedisBudgetsOptions } from '../../src/budgets/redis.ts';
import type { Ask, Candidate, Dimension } from '../../src/budgets/types.ts';
import { window } from '../../src/wire/window.ts';
import { ask as askRedis, until } from '../support/redis-ask.ts';
import { startRedis, type RedisServer } from '../support/redis.ts';

export { until };

/** Pods and leases live for longer than any test's machine stands still. */
export const QUICK = { beatMs: 50, retryMs: 30, leaseMs: 10_000, podMs: 2_000, recordMs: 60_000 } as const;
export const SHORT_LEASE = { ...QUICK, leaseMs: 300 } as const;
/** No beat comes between. */
export const STILL = { beatMs: 60_000 } as const;

export const ask = (limit: number, amount = 1): Ask => ({ dimension: 'requests', limit, amount });
export const slot = (limit: number): Ask => ({ dimension: 'concurrency', limit, amount: 1 });
export const of = (dimension: Dimension, limit: number, amount: number): Ask => ({ dimension, limit, amount });
export const chain = (...asks: Ask[]): Candidate[] => [{ model: 'm', budget: 'main', asks }];

export const usedOf = async (budgets: RedisBudgets, asks: Ask[]): Promise<number[]> =>
  (await budgets.usage({ budgets: new Map([['main', asks]]), models: new Map() })).levels.get('main')!.map(({ used }) => used);

export interface Pods {
  readonly server: RedisServer;
  /** With much time for Redis to answer, where that is not what is tested. */
  pod(name: string, more?: Partial<RedisBudgetsOptions>): Promise<RedisBudgets>;
  /** One command, on a connection of its own. */
  redis(...command: (string | number)[]): Promise<unknown>;
  close(budgets: RedisBudgets): Promise<void>;
  /** Its process is gone without a word. */
  vanish(budgets: RedisBudgets): void;
  /** Those that Redis has a record of. */
  reservations(): Promise<string[]>;
  /** Script calls since the last time. */
  scriptCalls(): Promise<number>;
}

/** For each test of the suite its own server. */
export function pods(): Pods {
  let server: RedisServer;
  const opened = new Map<RedisBudgets, RedisClient>();
  const redis = (...command: (string | number)[]) => askRedis(server.port, command);
  beforeEach(async () => {
    server = await startRedis();
  });
  afterEach(async () => {
    server.resume();
    await Promise.all([...opened.keys()].map((budgets) => budgets.close()));
    opened.clear();
    await server.stop();
  });
  return {
    get server() {
      return server;
    },
    async pod(name, more = {}) {
      const client = await connectRedis({ url: server.url });
      const budgets = createRedisBudgets({ client, keyPrefix: 'test', window: window(), pod: name, intervals: QUICK, timeoutMs: 1_000, ...more });
      opened.set(budgets, client);
      await budgets.started();
      return budgets;
    },
    redis,
    async close(budgets) {
      // Once only: the client takes 2 s to end a connection that has ended.
      opened.delete(budgets);
      await budgets.close();
    },
    vanish(budgets) {
      opened.get(budgets)!.disconnect();
      opened.delete(budgets);
    },
    async reservations() {
      const fields = (await redis('HKEYS', '{test}:rsv')) as string[];
      return fields.filter((field) => !field.startsWith('@'));
    },
    async scriptCalls() {
      const stats = String(await redis('INFO', 'commandstats'));
      await redis('CONFIG', 'RESETSTAT');
      return [...stats.matchAll(/cmdstat_(?:evalsha|eval):calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0);
    },
  };
}
