import { expect, test } from '@jest/globals';
import { createProcessBudgets, FORGOTTEN_MS } from '../../../src/budgets/process.ts';
import type { Budgets, Candidate } from '../../../src/budgets/types.ts';
import { BudgetsHolder } from '../../../src/server/budgets-holder.ts';
import { window } from '../../../src/wire/window.ts';

const ONE: Candidate[] = [{ model: 'm', budget: 'm', asks: [{ dimension: 'concurrency', limit: 1, amount: 1 }] }];

/** A true engine that says when it is closed; what closing it waits for can be held. */
function engine(closes: Promise<void> = Promise.resolve()): Budgets & { closed: number } {
  const budgets = { ...createProcessBudgets({ window: window(), clock: () => 0 }), closed: 0 };
  budgets.close = () => {
    budgets.closed++;
    return closes;
  };
  return budgets;
}

function holding(first: Budgets) {
  let now = 0;
  let due: { at: number; run: () => void }[] = [];
  const holder = new BudgetsHolder(first, {
    now: () => now,
    after(ms, run) {
      const one = { at: now + ms, run };
      due.push(one);
      return () => void (due = due.filter((other) => other !== one));
    },
  });
  /** All that is due until then, in its order. */
  const pass = (ms: number): void => {
    const end = now + ms;
    for (;;) {
      const next = due.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      due = due.filter((other) => other !== next);
      now = next.at;
      next.run();
    }
    now = end;
  };
  return { holder, pass, due: () => due.length };
}

const HOUR = 3_600_000;

test('an engine that was replaced is closed once its last reservation is settled, however long that takes', () => {
  const [first, second] = [engine(), engine()];
  const { holder, pass, due } = holding(first);
  void first.reserve('a', ONE);
  holder.replace(second);
  expect(holder.current()).toBe(second);
  pass(HOUR);
  expect(first.closed).toBe(0);
  first.settle('a', {});
  pass(10_000);
  expect([first.closed, second.closed, due()]).toEqual([1, 0, 0]);
});

test('each of several is closed in its own time', () => {
  const engines = [engine(), engine(), engine()] as const;
  const { holder, pass } = holding(engines[0]);
  void engines[0].reserve('a', ONE);
  holder.replace(engines[1]);
  holder.replace(engines[2]);
  pass(HOUR);
  expect(engines.map(({ closed }) => closed)).toEqual([0, 1, 0]);
});

test('what is never settled is not waited for without end', () => {
  const first = engine();
  const { holder, pass, due } = holding(first);
  void first.reserve('a', ONE);
  holder.replace(engine());
  pass(FORGOTTEN_MS - HOUR);
  expect(first.closed).toBe(0);
  pass(2 * HOUR);
  expect([first.closed, due()]).toEqual([1, 0]);
});

test('closing closes all of them once, and waits for those that are closing', async () => {
  const slow = Promise.withResolvers<void>();
  const engines = [engine(slow.promise), engine(), engine()] as const;
  const { holder, pass, due } = holding(engines[0]);
  void engines[1].reserve('a', ONE);
  holder.replace(engines[1]);
  holder.replace(engines[2]);
  pass(HOUR);
  let isClosed = false;
  const closing = holder.close().then(() => (isClosed = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect([isClosed, due()]).toEqual([false, 0]);
  slow.resolve();
  await closing;
  expect(engines.map(({ closed }) => closed)).toEqual([1, 1, 1]);
});
