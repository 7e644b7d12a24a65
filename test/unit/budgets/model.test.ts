import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { beat, createModel, forget, reserve, settle, usage, type Model } from '../../../src/budgets/model.ts';
import type { Actual, Ask, Candidate, Decision, Dimension } from '../../../src/budgets/types.ts';
import { window } from '../../../src/wire/window.ts';

const minute = window();
const START = 1_700_000_000_000;
const fresh = (shape = minute) => createModel({ window: shape, leaseMs: 30_000, recordMs: 600_000 });
const ask = (dimension: Dimension, limit: number, amount: number): Ask => ({ dimension, limit, amount });
const on = (budget: string, ...asks: Ask[]): Candidate => ({ model: budget, budget, asks });
const requests = (limit: number, amount = 1) => [on('a', ask('requests', limit, amount))];
const usedOf = (model: Model, dimension: Dimension, now: number, budget = 'a') =>
  usage(model, new Map([[budget, [ask(dimension, 1, 0)]]]), now).get(budget)![0]!.used;
const waitOf = ({ refusals }: Decision) => refusals[0]!.waitMs;

test('production counts at least 61 seconds', () => {
  expect(minute).toEqual({ stepMs: 1_000, steps: 61 });
});

test('I1: no interval as long as the window holds more than the limit, whatever the load', () => {
  const shape = fc.record({ stepMs: fc.integer({ min: 1, max: 50 }), steps: fc.integer({ min: 1, max: 12 }) });
  const load = fc.array(fc.tuple(fc.nat(80), fc.integer({ min: 1, max: 12 })), { minLength: 20, maxLength: 200 });
  fc.assert(
    fc.property(shape, fc.integer({ min: 1, max: 20 }), fc.nat(1_000), load, (window, limit, start, gaps) => {
      const model = fresh(window);
      const length = window.stepMs * window.steps;
      const admitted: { at: number; amount: number }[] = [];
      let now = start;
      for (const [i, [gap, amount]] of gaps.entries()) {
        now += gap;
        if (reserve(model, `${i}`, requests(limit, amount), now).chosen === 0) admitted.push({ at: now, amount });
      }
      // The fullest intervals begin with an admission; both ends count.
      for (const { at } of admitted) {
        const inside = admitted.filter((other) => other.at >= at && other.at <= at + length);
        expect(inside.reduce((sum, { amount }) => sum + amount, 0)).toBeLessThanOrEqual(limit);
      }
    }),
    { numRuns: 300 },
  );
});

test('I7: under backlog the limit is used once per window and a step', () => {
  const model = fresh();
  let admitted = 0;
  for (let at = 0; at < 620_000; at += 100) admitted += reserve(model, `${at}`, requests(60), START + at).chosen + 1;
  expect(admitted).toBeGreaterThanOrEqual(600);
});

describe('waiting', () => {
  test('after waitMs the same ask fits, a millisecond before it does not', () => {
    const load = fc.array(fc.tuple(fc.nat(9_000), fc.integer({ min: 1, max: 40 })), { minLength: 5, maxLength: 40 });
    fc.assert(
      fc.property(load, fc.integer({ min: 1, max: 100 }), (gaps, amount) => {
        const model = fresh();
        let now = START;
        for (const [i, [gap, taken]] of gaps.entries()) {
          now += gap;
          reserve(model, `${i}`, requests(100, taken), now);
        }
        const refused = reserve(model, 'x', requests(100, amount), now);
        if (refused.chosen === 0) return;
        const waitMs = waitOf(refused);
        expect(waitMs).toBeGreaterThan(0);
        expect(reserve(model, 'x', requests(100, amount), now + waitMs - 1).chosen).toBe(-1);
        expect(reserve(model, 'x', requests(100, amount), now + waitMs).chosen).toBe(0);
      }),
    );
  });

  test('what is larger than the limit never fits', () => {
    expect(reserve(fresh(), 'x', requests(10, 11), START).refusals).toEqual([{ dimension: 'requests', waitMs: -1 }]);
  });

  test('the dimension that lasts longest is named', () => {
    const model = fresh();
    const asks = [ask('concurrency', 1, 1), ask('requests', 1, 1), ask('tokens', 10, 10)];
    reserve(model, 'one', [on('a', asks[2]!)], START);
    reserve(model, 'two', [on('a', asks[0]!, asks[1]!)], START + 5_000);
    expect(reserve(model, 'three', [on('a', ...asks)], START + 6_000).refusals).toEqual([
      { dimension: 'requests', waitMs: 61_000 },
    ]);
  });

  test('a level says when it is empty again', () => {
    const model = fresh();
    const decision = reserve(model, 'one', requests(10), START + 400);
    expect(decision.levels).toEqual([{ dimension: 'requests', limit: 10, used: 1, resetMs: 61_600 }]);
    expect(usedOf(model, 'requests', START + 400 + 61_599)).toBe(1);
    expect(usedOf(model, 'requests', START + 400 + 61_600)).toBe(0);
  });
});

describe('deciding', () => {
  test('the first candidate with room is charged, entirely; the others not at all', () => {
    const model = fresh();
    reserve(model, 'fill', [on('a', ask('tokens', 100, 90))], START);
    const chain = [
      on('a', ask('requests', 10, 1), ask('tokens', 100, 20)),
      on('b', ask('requests', 10, 1), ask('tokens', 100, 20)),
      on('c', ask('requests', 10, 1)),
    ];
    const decision = reserve(model, 'one', chain, START);
    expect(decision).toMatchObject({ chosen: 1, replayed: false, by: 'process' });
    expect(decision.refusals.map(({ dimension }) => dimension)).toEqual(['tokens']);
    expect(decision.levels.map(({ used }) => used)).toEqual([1, 20]);
    expect([usedOf(model, 'requests', START), usedOf(model, 'requests', START, 'c')]).toEqual([0, 0]);
  });

  test('I2: a refusal changes nothing', () => {
    const model = fresh();
    reserve(model, 'fill', requests(10, 10), START);
    for (let i = 0; i < 50; i += 1) expect(reserve(model, `${i}`, requests(10), START + i).chosen).toBe(-1);
    expect(usedOf(model, 'requests', START + 50)).toBe(10);
    expect(model.reservations.size).toBe(1);
    expect(reserve(model, 'later', requests(10), START + 62_000).chosen).toBe(0);
  });

  test('a model without limits always has room', () => {
    expect(reserve(fresh(), 'x', [on('free')], START)).toMatchObject({ chosen: 0, levels: [] });
  });

  test('I3: the same id answers the same and is charged once', () => {
    const model = fresh();
    const first = reserve(model, 'one', requests(10, 4), START);
    reserve(model, 'two', requests(10, 4), START);
    expect(reserve(model, 'one', requests(10, 4), START + 9)).toEqual({ ...first, replayed: true });
    expect(usedOf(model, 'requests', START)).toBe(8);
  });

  test('a lowered limit is in force at once and what was used still counts', () => {
    const model = fresh();
    for (let i = 0; i < 8; i += 1) reserve(model, `${i}`, requests(10), START + i * 1_000);
    const refused = reserve(model, 'x', requests(5), START + 8_000);
    expect(refused.chosen).toBe(-1);
    // The four oldest must leave: 5 - 1 may stay.
    expect(waitOf(refused)).toBe(62_000 + 3_000 - 8_000);
    expect(reserve(model, 'x', requests(10), START + 8_000).chosen).toBe(0);
  });

  test('I8: a clock that goes back adds no room', () => {
    const model = fresh();
    reserve(model, 'one', requests(2), START);
    expect(reserve(model, 'two', requests(2), START - 600_000).chosen).toBe(0);
    expect(reserve(model, 'three', requests(2), START - 600_000).chosen).toBe(-1);
    expect(reserve(model, 'four', requests(2), START + 61_000).chosen).toBe(-1);
    expect(reserve(model, 'five', requests(2), START + 62_000).chosen).toBe(0);
  });

  test('an amount that is no number does no harm', () => {
    const model = fresh();
    reserve(model, 'one', requests(10, Number.NaN), START);
    reserve(model, 'two', requests(10, 1.2), START);
    settle(model, 'two', { requests: Number.NaN }, START);
    expect(usedOf(model, 'requests', START)).toBe(2);
  });
});

describe('settling', () => {
  const tokens = (amount: number) => [on('a', ask('requests', 100, 1), ask('tokens', 1_000, amount))];

  test('what was not used goes back to where it was taken from', () => {
    const model = fresh();
    reserve(model, 'one', tokens(600), START);
    reserve(model, 'two', tokens(300), START + 30_000);
    expect(settle(model, 'one', { tokens: 100 }, START + 30_000)).toBe(true);
    expect(usedOf(model, 'tokens', START + 30_000)).toBe(400);
    // The rest of it leaves with its own sub-bucket.
    expect(usedOf(model, 'tokens', START + 62_000)).toBe(300);
  });

  test('nothing goes back once it no longer counts', () => {
    const model = fresh();
    reserve(model, 'one', tokens(600), START);
    reserve(model, 'two', tokens(300), START + 62_000);
    settle(model, 'one', { tokens: 0 }, START + 62_000);
    expect(usedOf(model, 'tokens', START + 62_000)).toBe(300);
  });

  test('what was used beyond is charged now, whether or not it fits', () => {
    const model = fresh();
    reserve(model, 'one', tokens(900), START);
    settle(model, 'one', { tokens: 2_500 }, START + 40_000);
    expect(usedOf(model, 'tokens', START + 40_000)).toBe(2_500);
    const refused = reserve(model, 'two', tokens(1), START + 62_000);
    expect(refused.chosen).toBe(-1);
    expect(waitOf(refused)).toBe(40_000);
  });

  test('a request that was never sent is given back; a dimension left out keeps what was reserved', () => {
    const model = fresh();
    reserve(model, 'one', tokens(600), START);
    settle(model, 'one', { requests: 0 }, START);
    expect([usedOf(model, 'requests', START), usedOf(model, 'tokens', START)]).toEqual([0, 600]);
  });

  test('I3: settled once only', () => {
    const model = fresh();
    reserve(model, 'one', tokens(600), START);
    settle(model, 'one', { tokens: 700 }, START);
    expect(settle(model, 'one', { tokens: 900 }, START)).toBe(false);
    expect(settle(model, 'unknown', { tokens: 900 }, START)).toBe(false);
    expect(usedOf(model, 'tokens', START)).toBe(700);
  });

  test('I4: use is never below zero and never below what is reserved, whatever is settled', () => {
    const move = fc.record({
      gap: fc.nat(20_000),
      amount: fc.nat(300),
      settled: fc.option(fc.nat(400), { nil: undefined }),
      which: fc.nat(5),
    });
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
        const model = fresh();
        let now = START;
        const open: string[] = [];
        for (const [i, { gap, amount, settled, which }] of moves.entries()) {
          now += gap;
          if (reserve(model, `${i}`, tokens(amount), now).chosen === 0) open.push(`${i}`);
          const id = open[which];
          const actual: Actual = settled === undefined ? {} : { tokens: settled };
          if (id !== undefined) settle(model, id, actual, now);
          expect(usedOf(model, 'tokens', now)).toBeGreaterThanOrEqual(0);
        }
        for (const id of open) settle(model, id, { requests: 0, tokens: 0 }, now);
        expect(usedOf(model, 'tokens', now + 62_000)).toBe(0);
        expect(model.reservations.size).toBe(0);
      }),
    );
  });
});

describe('concurrency', () => {
  const slots = (limit: number) => [on('a', ask('concurrency', limit, 1))];

  test('as many at one time as the limit says; a settle gives the slot back', () => {
    const model = fresh();
    expect(reserve(model, 'one', slots(2), START).levels).toEqual([
      { dimension: 'concurrency', limit: 2, used: 1, resetMs: 0 },
    ]);
    reserve(model, 'two', slots(2), START);
    expect(reserve(model, 'three', slots(2), START).refusals).toEqual([{ dimension: 'concurrency', waitMs: 0 }]);
    settle(model, 'one', {}, START);
    expect(reserve(model, 'three', slots(2), START).chosen).toBe(0);
  });

  test('a slot without a beat comes back after its lease', () => {
    const model = fresh();
    reserve(model, 'one', slots(1), START);
    expect(reserve(model, 'two', slots(1), START + 29_999).chosen).toBe(-1);
    expect(reserve(model, 'two', slots(1), START + 30_000).chosen).toBe(0);
  });

  test('a beat keeps it, and takes it again when it had run out', () => {
    const model = fresh();
    reserve(model, 'one', slots(1), START);
    beat(model, 'pod', 15_000, [{ id: 'one', slotOf: 'a' }], START + 20_000);
    expect(usedOf(model, 'concurrency', START + 49_999)).toBe(1);
    expect(usedOf(model, 'concurrency', START + 50_000)).toBe(0);
    beat(model, 'pod', 15_000, [{ id: 'one', slotOf: 'a' }], START + 60_000);
    expect(usedOf(model, 'concurrency', START + 60_000)).toBe(1);
    settle(model, 'one', {}, START + 60_000);
    beat(model, 'pod', 15_000, [{ id: 'one', slotOf: 'a' }], START + 60_000);
    expect(usedOf(model, 'concurrency', START + 60_000)).toBe(0);
  });
});

test('pods are counted while they beat', () => {
  const model = fresh();
  expect(beat(model, 'a', 15_000, [], START).pods).toBe(1);
  expect(beat(model, 'b', 15_000, [], START + 10_000).pods).toBe(2);
  expect(beat(model, 'b', 15_000, [], START + 15_000).pods).toBe(1);
  expect(beat(model, 'b', 0, [], START + 15_000).pods).toBe(0);
});

test('where nobody beats, reservations that nobody settles are forgotten, a few at a time', () => {
  const model = fresh();
  for (let i = 0; i < 100; i += 1) reserve(model, `old-${i}`, requests(1_000), START);
  for (let i = 0; i < 30; i += 1) {
    forget(model, START + 30_000);
    reserve(model, `new-${i}`, requests(1_000), START + 30_000);
  }
  expect(model.reservations.size).toBe(30);
});
