/** What happens to reservations afterwards: told use, orphans, use decided elsewhere; and costs. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { assertUse, beat, createModel, extend, orphan, reserve, settle, used, type Model } from '../../../src/budgets/model.ts';
import { Purse } from '../../../src/budgets/money.ts';
import type { Ask, Candidate, Dimension } from '../../../src/budgets/types.ts';
import { window } from '../../../src/wire/window.ts';

const START = Date.UTC(2024, 1, 28, 23, 0);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const LEASE = 30_000;
const fresh = () => createModel({ window: window(), leaseMs: LEASE, recordMs: 600_000 });
const ask = (dimension: Dimension, limit: number, amount: number): Ask => ({ dimension, limit, amount });
const on = (...asks: Ask[]): Candidate[] => [{ model: 'm', budget: 'a', asks }];
const all = (amount: number) =>
  on(ask('tokens', 1_000, amount), ask('concurrency', 9, 1), ask('cost_day', 1_000, amount), ask('cost_month', 1_000, amount));
const figures = (model: Model, now: number) =>
  (['tokens', 'concurrency', 'cost_day', 'cost_month'] as const).map((dimension) => used(model, 'a', dimension, now));

describe('costs', () => {
  test('are per day and month of UTC, and say when those end', () => {
    const model = fresh();
    const asks = [ask('cost_day', 10, 6), ask('cost_month', 20, 6)];
    expect(reserve(model, 'one', on(...asks), START).levels).toEqual([
      { dimension: 'cost_day', limit: 10, used: 6, resetMs: HOUR },
      { dimension: 'cost_month', limit: 20, used: 6, resetMs: DAY + HOUR },
    ]);
    expect(reserve(model, 'two', on(...asks), START).refusals).toEqual([{ dimension: 'cost_day', waitMs: HOUR }]);
    expect(reserve(model, 'two', on(...asks), START + HOUR).chosen).toBe(0);
    expect(reserve(model, 'three', on(ask('cost_month', 20, 9)), START + HOUR).refusals).toEqual([
      { dimension: 'cost_month', waitMs: DAY },
    ]);
    expect(reserve(model, 'three', on(ask('cost_month', 20, 9)), START + HOUR + DAY).chosen).toBe(0);
    expect(reserve(model, 'huge', on(ask('cost_day', 10, 11)), START).refusals).toEqual([{ dimension: 'cost_day', waitMs: -1 }]);
  });

  test('what was not used goes back to its own day, what is beyond is charged to this one', () => {
    const purse = new Purse('cost_day');
    const day = purse.period(START);
    purse.add(10, START);
    purse.add(5, START + HOUR);
    purse.giveBack(day, 4, START + HOUR);
    expect(purse.books).toEqual([day + 1, 5, 6]);
    purse.giveBack(day, 99, START + HOUR + DAY);
    expect(purse.books).toEqual([day + 1, 5, 6]);
    purse.add(1, START + HOUR + 5 * DAY);
    expect(purse.books).toEqual([day + 6, 1, 0]);

    const model = fresh();
    reserve(model, 'one', on(ask('cost_day', 100, 10)), START);
    reserve(model, 'two', on(ask('cost_day', 100, 20)), START);
    settle(model, 'one', { cost_day: 3 }, START + HOUR);
    settle(model, 'two', { cost_day: 27 }, START + HOUR);
    expect(used(model, 'a', 'cost_day', START + HOUR)).toBe(7);
  });

  test('I8: a clock that goes back over midnight adds no room', () => {
    const model = fresh();
    reserve(model, 'one', on(ask('cost_day', 10, 10)), START + 5 * DAY);
    expect(reserve(model, 'two', on(ask('cost_day', 10, 1)), START).refusals).toEqual([
      { dimension: 'cost_day', waitMs: 5 * DAY + HOUR },
    ]);
  });

  test('amounts up to 2^53 are exact', () => {
    const model = fresh();
    reserve(model, 'one', on(ask('cost_month', 2 ** 53, 2 ** 50)), START);
    settle(model, 'one', { cost_month: 2 ** 50 - 1 }, START);
    expect(used(model, 'a', 'cost_month', START)).toBe(2 ** 50 - 1);
  });

  test('I13: whatever happens, what is charged in the end is what was used', () => {
    const step = fc.record({ gap: fc.nat(10_000), reserved: fc.nat(50), told: fc.array(fc.nat(90), { maxLength: 3 }), dies: fc.boolean(), actual: fc.nat(90) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const model = fresh();
        let now = Date.UTC(2024, 5, 3);
        let sum = 0;
        for (const [i, { gap, reserved, told, dies, actual }] of steps.entries()) {
          const id = `${i}`;
          reserve(model, id, on(ask('cost_day', 1e9, reserved)), now, { enforce: false });
          for (const figure of told) {
            now += 1_000;
            extend(model, id, { cost_day: figure }, now);
          }
          now += gap;
          if (dies) {
            now += LEASE;
            expect(orphan(model, id, now)).toBe(true);
          }
          settle(model, id, { cost_day: actual }, now);
          settle(model, id, { cost_day: actual }, now);
          sum += actual;
        }
        expect(used(model, 'a', 'cost_day', now)).toBe(sum);
      }),
    );
  });
});

describe('told use', () => {
  test('what is beyond the reservation is charged when it is told, and settled exactly', () => {
    const model = fresh();
    reserve(model, 'one', all(100), START);
    extend(model, 'one', { tokens: 80, cost_day: 80, output_tokens: 999, concurrency: 7 }, START);
    expect(figures(model, START)).toEqual([100, 1, 100, 100]);
    extend(model, 'one', { tokens: 300, cost_day: 300 }, START + 10_000);
    extend(model, 'one', { tokens: 2_000, cost_day: 500 }, START + 20_000);
    expect(figures(model, START + 20_000)).toEqual([2_000, 1, 500, 100]);
    // The latest goes back first: 1,700 of 20 s, then of 10 s.
    settle(model, 'one', { tokens: 250, cost_day: 450 }, START + 20_000);
    expect(figures(model, START + 20_000)).toEqual([250, 0, 450, 100]);
    expect(used(model, 'a', 'tokens', START + 62_000)).toBe(150);
  });

  test('of an unknown reservation does nothing', () => {
    const model = fresh();
    expect(extend(model, 'one', { tokens: 5 }, START)).toBe(false);
    expect(model.budgets.size).toBe(0);
  });
});

describe('orphans', () => {
  test('I5: the slot is free, money is what was told last, rates slide out; a late settle is exact', () => {
    const model = fresh();
    reserve(model, 'one', all(100), START);
    extend(model, 'one', { tokens: 30, cost_day: 30 }, START + 1_000);
    expect(orphan(model, 'one', START + LEASE - 1)).toBe(false);
    const { orphans } = beat(model, 'other', 15_000, [], START + LEASE);
    expect(orphans).toEqual([{ id: 'one', budget: 'a' }]);
    expect(orphan(model, 'one', START + LEASE)).toBe(true);
    expect(orphan(model, 'one', START + LEASE)).toBe(false);
    expect(figures(model, START + LEASE)).toEqual([100, 0, 30, 100]);
    expect(beat(model, 'other', 15_000, [], START + LEASE).orphans).toEqual([]);
    settle(model, 'one', { tokens: 40, cost_day: 60, cost_month: 60 }, START + LEASE + 1_000);
    expect(figures(model, START + LEASE + 1_000)).toEqual([40, 0, 60, 60]);
  });

  test('are forgotten for good after their time; one whose pod is back is none', () => {
    const model = fresh();
    for (const id of ['one', 'two']) {
      reserve(model, id, all(10), START);
      orphan(model, id, START + LEASE);
    }
    const back = { id: 'two', slotOf: 'a' };
    beat(model, 'pod', 1_000, [back], START + LEASE + 600_000 - 1);
    expect(model.reservations.size).toBe(2);
    expect(used(model, 'a', 'concurrency', START + LEASE + 600_000 - 1)).toBe(1);
    beat(model, 'pod', 1_000, [], START + LEASE + 600_000);
    expect([...model.reservations.keys()]).toEqual(['two']);
    expect(orphan(model, 'two', START + 2 * LEASE + 600_000)).toBe(true);
  });

  test('a beat looks at 50 at a time', () => {
    const model = fresh();
    for (let i = 0; i < 60; i += 1) reserve(model, `${i}`, on(), START);
    const { orphans } = beat(model, 'pod', 1_000, [], START + LEASE);
    expect(orphans).toHaveLength(50);
    for (const { id } of orphans) orphan(model, id, START + LEASE);
    expect(beat(model, 'pod', 1_000, [], START + LEASE).orphans).toHaveLength(10);
  });
});

describe('asserted use', () => {
  test('I14: is charged where it belongs, whether or not it fits, and what no longer counts is not', () => {
    const model = fresh();
    reserve(model, 'one', on(ask('tokens', 100, 90)), START);
    const use = {
      rates: { tokens: [[0, 50], [30_000, 20], [61_000, 5], [62_000, 1_000]] as const, requests: [[1_000, 3]] as const },
      costs: { cost_day: 70, cost_month: 80 },
      slots: ['x', 'y'],
    };
    assertUse(model, 'a', use, START);
    expect(figures(model, START)).toEqual([165, 2, 70, 80]);
    expect(used(model, 'a', 'requests', START)).toBe(3);
    expect(used(model, 'a', 'tokens', START + 1_000)).toBe(160);
    expect(used(model, 'a', 'tokens', START + 32_000)).toBe(140);
    expect(used(model, 'a', 'concurrency', START + LEASE)).toBe(0);
  });

  test('I14: after a loss everything that live pods assert counts again', () => {
    const taken = fc.array(fc.tuple(fc.nat(5_000), fc.integer({ min: 1, max: 9 })), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(taken, (steps) => {
        const before = fresh();
        const own: [number, number][] = [];
        let now = START;
        for (const [i, [gap, amount]] of steps.entries()) {
          now += gap;
          reserve(before, `${i}`, on(ask('tokens', 1e9, amount)), now);
          own.push([now, amount]);
        }
        const emptied = fresh();
        assertUse(emptied, 'a', { rates: { tokens: own.map(([at, amount]) => [now - at, amount]) }, costs: {}, slots: [] }, now);
        for (let at = now; at < now + 63_000; at += 500)
          expect(used(emptied, 'a', 'tokens', at)).toBe(used(before, 'a', 'tokens', at));
      }),
    );
  });
});

test('I11: what pods may use by themselves is never more than the whole', () => {
  const step = fc.tuple(fc.nat(5), fc.nat(4_000), fc.nat(6_000));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const model = fresh();
      const grants = new Map<string, { grant: number; until: number }>();
      let now = START;
      for (const [pod, gap, podMs] of steps) {
        now += gap;
        const { grant } = beat(model, `${pod}`, podMs, [], now);
        grants.set(`${pod}`, { grant, until: now + podMs });
        const live = [...grants.values()].filter(({ until }) => until > now);
        expect(live.reduce((sum, one) => sum + one.grant, 0)).toBeLessThanOrEqual(1_000_000);
      }
    }),
  );
});

test('I11: pods that beat all get the same', () => {
  const model = fresh();
  for (const pod of ['a', 'b', 'c', 'a', 'b', 'c']) beat(model, pod, 15_000, [], START);
  expect(['a', 'b', 'c'].map((pod) => beat(model, pod, 15_000, [], START).grant)).toEqual([333_333, 333_333, 333_333]);
});
