import { expect, test } from '@jest/globals';
import { createBudgets } from '../../../src/budgets/create.ts';
import { createProcessBudgets } from '../../../src/budgets/process.ts';
import type { Timers } from '../../../src/budgets/timers.ts';
import type { Ask, Candidate, Subjects } from '../../../src/budgets/types.ts';
import { window } from '../../../src/wire/window.ts';

const START = 1_700_000_000_000;
const ask = (dimension: Ask['dimension'], limit: number, amount = 1): Ask => ({ dimension, limit, amount });
const chain = (...asks: Ask[]): Candidate[] => [{ model: 'm', budget: 'a', asks }];
const subjects = (...asks: Ask[]): Subjects => ({ budgets: new Map([['a', asks]]), models: new Map([['m', 'a']]) });

class HeldTimers implements Timers {
  due: (() => void)[] = [];
  after(_ms: number, run: () => void): () => void {
    this.due.push(run);
    return () => {
      this.due = this.due.filter((other) => other !== run);
    };
  }
  afterReading(run: () => void): void {
    run();
  }
  fire(): void {
    for (const run of this.due.splice(0)) run();
  }
}

test('budgets of one process answer at once and do not speak of Redis', async () => {
  let now = START + 0.7;
  const budgets = createProcessBudgets({ window: window(), clock: () => now });
  const one = chain(ask('requests', 1));
  expect(budgets.reserve('one', one)).toMatchObject({ chosen: 0, by: 'process', probe: false, would: null });
  const waitMs = budgets.reserve('two', one).refusals[0]!.waitMs;
  expect(Number.isInteger(waitMs)).toBe(true);
  expect(budgets.reserve('would', one, { enforce: false }).would).toEqual({ dimension: 'requests', waitMs });
  now += waitMs;
  expect(budgets.reserve('two', one).chosen).toBe(0);
  expect(budgets.unsettled()).toBe(3);
  budgets.settle('two', { requests: 0 });
  expect(budgets.unsettled()).toBe(2);
  const { levels, health } = await budgets.usage(subjects(ask('requests', 1)));
  expect(levels.get('a')).toMatchObject([{ used: 0 }]);
  expect(health.get('m')).toEqual({ circuit: 'closed', cooldownMs: 0 });
  expect(budgets.state()).toEqual({ mode: 'process', up: false, degraded: false, pods: 1, lastError: null });
  await budgets.close();
  const created = await createBudgets({ window: window(), keyPrefix: 'x', pod: 'a' });
  expect(created.state().mode).toBe('process');
});

test('what a model says of itself is in force at the next request', async () => {
  const budgets = createProcessBudgets({ window: window(), clock: () => START });
  budgets.reserve('one', chain());
  budgets.report('one', { kind: 'throttled', forMs: 700 });
  expect(budgets.reserve('two', chain()).refusals).toEqual([{ dimension: 'cooldown', waitMs: 700 }]);
  budgets.settle('one', {}, { kind: 'failed', failures: 1, windowMs: 1_000, openMs: 2_000 });
  expect((await budgets.usage(subjects())).health.get('m')).toEqual({ circuit: 'open', cooldownMs: 700 });
});

test('a probe that is never heard of again is followed by another', () => {
  let now = START;
  const budgets = createProcessBudgets({ window: window(), clock: () => now });
  budgets.reserve('one', chain());
  budgets.settle('one', {}, { kind: 'failed', failures: 1, windowMs: 1_000, openMs: 2_000 });
  now += 2_000;
  expect(budgets.reserve('two', chain()).probe).toBe(true);
  now += 29_999;
  expect(budgets.reserve('three', chain()).refusals).toEqual([{ dimension: 'circuit_open', waitMs: 0 }]);
  now += 1;
  expect(budgets.reserve('three', chain()).probe).toBe(true);
});

test('a followed call is asked once a second until it is settled', async () => {
  const timers = new HeldTimers();
  const budgets = createProcessBudgets({ window: window(), clock: () => START, timers });
  const usedOf = async () => (await budgets.usage(subjects(ask('tokens', 9)))).levels.get('a')![0]!.used;
  budgets.reserve('one', chain(ask('tokens', 1_000, 100)));
  expect(timers.due).toHaveLength(0);
  let tokens = 50;
  budgets.follow('one', () => ({ tokens }));
  budgets.follow('unknown', () => ({}));
  expect(timers.due).toHaveLength(1);
  timers.fire();
  expect(await usedOf()).toBe(100);
  tokens = 250;
  timers.fire();
  expect(await usedOf()).toBe(250);
  budgets.settle('one', { tokens: 260 });
  expect(await usedOf()).toBe(260);
  timers.fire();
  expect(timers.due).toHaveLength(0);
  budgets.reserve('two', chain());
  budgets.follow('two', () => ({}));
  await budgets.close();
  expect(timers.due).toHaveLength(0);
});
