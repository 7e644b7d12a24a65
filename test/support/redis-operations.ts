/** Every kind of operation and script once, over a connection: what a user of Redis must be allowed. */
import { createCommands, type RedisClient } from '../../src/budgets/commands.ts';
import { loadScripts } from '../../src/budgets/scripts.ts';
import type { Ask, Report } from '../../src/budgets/types.ts';
import { window } from '../../src/wire/window.ts';

const failed: Report = { kind: 'failed', failures: 1, windowMs: 60_000, openMs: 1 };

/** Rejects with Redis' refusal if there is one. */
export async function everyOperation(client: RedisClient, keyPrefix: string): Promise<void> {
  const commands = createCommands({ client, scripts: loadScripts(), keyPrefix, window: window(), leaseMs: 1, recordMs: 60_000 });
  const asks: Ask[] = [
    { dimension: 'requests', limit: 100, amount: 1 },
    { dimension: 'tokens', limit: 1_000, amount: 10 },
    { dimension: 'cost_day', limit: 1_000, amount: 10 },
    { dimension: 'cost_month', limit: 1_000, amount: 10 },
    { dimension: 'concurrency', limit: 100, amount: 1 },
  ];
  const candidates = [{ model: 'm', budget: 'b', asks }];
  const budgets = ['b'];
  const beat = (ms: number, held: { id: string; slotOf: string | null }[]) => commands.beat('pod', ms, held, { id: 'epoch', learnMs: 0 });
  const { epoch } = await beat(15_000, []);
  const reserve = (id: string) => ({ kind: 'reserve', id, candidates, enforce: true }) as const;
  await commands.apply([reserve('one'), reserve('two'), reserve('three')], epoch);
  await beat(15_000, [{ id: 'one', slotOf: 'b' }]);
  await commands.apply(
    [
      { kind: 'extend', id: 'one', budgets, actual: { tokens: 20, cost_day: 20 } },
      { kind: 'report', id: 'one', budgets, report: { kind: 'ok' } },
      { kind: 'report', id: 'one', budgets, report: { kind: 'throttled', forMs: null } },
      { kind: 'settle', id: 'one', budgets, actual: { tokens: 5, cost_day: 30, cost_month: 5 }, report: failed },
      { kind: 'settle', id: 'two', budgets, actual: {} },
      { kind: 'orphan', id: 'three', budgets },
      { kind: 'assert', budget: 'b', use: { rates: { requests: [[10, 1]] }, costs: { cost_day: 1 }, slots: ['four'] } },
    ],
    epoch,
  );
  await commands.usage({ budgets: new Map([['b', asks]]), models: new Map([['m', 'b']]) });
  await beat(0, []);
}
