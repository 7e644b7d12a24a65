import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Balance } from '../../../src/config/types.ts';
import { createBalancer, meanCost, type Balancer, type Member } from '../../../src/decide/balance.ts';
import { answered, ended, firstToken, newGauge, passedOver, seen, started, unwell } from '../../../src/decide/gauge.ts';

/** Mulberry32: the same numbers in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const member = (weight = 1, cost?: number): Member => ({ weight, cost, gauge: newGauge() });
const members = (...weights: number[]): Member[] => weights.map((weight) => member(weight));
const BALANCES: readonly Balance[] = ['weighted', 'round-robin', 'least-busy', 'lowest-latency', 'lowest-cost', 'most-headroom'];

/** The shares of the members in `times` requests; `rank` 0 is who stands first. */
function sharesOf(balancer: Balancer, count: number, random: () => number, times = 10_000, rank = 0, now = 0): number[] {
  const shares = Array.from({ length: count }, () => 0);
  for (let i = 0; i < times; i++) shares[balancer.order(now, random, true)[rank]!]! += 1 / times;
  return shares;
}

const level = (used: number, resetMs = 60_000) => ({ dimension: 'requests', limit: 100, used, resetMs }) as const;

describe('whatever the balance', () => {
  const anyMember = fc.record({
    weight: fc.double({ min: 0.001, max: 1_000_000, noNaN: true }),
    cost: fc.option(fc.double({ min: 0, max: 100, noNaN: true }), { nil: undefined }),
    running: fc.nat(50),
    ms: fc.constantFrom(NaN, 0, 100, 5000),
    used: fc.nat(120),
    unwellUntil: fc.constantFrom(-Infinity, 0, 999, 1000, 1001, Infinity),
  });

  test('every member stands in the order once, and the unwell ones last', () => {
    fc.assert(
      fc.property(fc.constantFrom(...BALANCES), fc.array(anyMember, { minLength: 1, maxLength: 8 }), fc.integer(), fc.boolean(), (balance, made, seed, streamed) => {
        const random = seeded(seed);
        const group = made.map(({ weight, cost, running, ms, used, unwellUntil }) => {
          const one = member(weight, cost);
          one.gauge.running = running;
          if (!Number.isNaN(ms)) firstToken(one.gauge, ms, 0);
          seen(one.gauge, [level(used)], 0);
          unwell(one.gauge, unwellUntil);
          return one;
        });
        const balancer = createBalancer(balance, group, random);
        for (let i = 0; i < 5; i++) {
          const order = [...balancer.order(1000, random, streamed)];
          expect(order.toSorted()).toEqual(group.map((_, at) => at));
          const ill = order.map((at) => group[at]!.gauge.unwellUntil > 1000);
          expect(ill).toEqual(ill.toSorted());
        }
      }),
    );
  });

  test.each(BALANCES)('%s: equals that have seen nothing share the load', (balance) => {
    const random = seeded(7);
    for (const share of sharesOf(createBalancer(balance, members(1, 1, 1, 1), random), 4, random)) expect(Math.abs(share - 0.25)).toBeLessThan(0.02);
  });

  test('unwell ones keep their order among themselves, and come back when their time is over', () => {
    const group = [member(1, 3), member(1, 1), member(1, 2), member(1, 0)];
    const random = seeded(1);
    const balancer = createBalancer('lowest-cost', group, random);
    unwell(group[3]!.gauge, 100);
    unwell(group[2]!.gauge, 200);
    // An earlier end does not take back a later one.
    unwell(group[2]!.gauge, 50);
    expect([...balancer.order(99, random, true)]).toEqual([1, 0, 3, 2]);
    expect([...balancer.order(100, random, true)]).toEqual([3, 1, 0, 2]);
    expect([...balancer.order(200, random, true)]).toEqual([3, 1, 2, 0]);
  });

  test('the array is the same one again', () => {
    const random = seeded(1);
    const balancer = createBalancer('weighted', members(1, 2), random);
    expect(balancer.order(0, random, true)).toBe(balancer.order(1, random, false));
  });
});

describe('weighted', () => {
  test('over 10,000 requests the shares are the weights, to one request', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 2, maxLength: 6 }), fc.integer(), (weights, seed) => {
        const random = seeded(seed);
        const all = weights.reduce((a, b) => a + b);
        const shares = sharesOf(createBalancer('weighted', members(...weights), random), weights.length, random);
        for (const [i, share] of shares.entries()) expect(Math.abs(share - weights[i]! / all)).toBeLessThan(weights.length / 10_000);
      }),
      { numRuns: 40 },
    );
  });

  test('four requests of 3:1 are three and one, wherever the turns begin', () => {
    for (let seed = 0; seed < 50; seed++) {
      const random = seeded(seed);
      expect(sharesOf(createBalancer('weighted', members(3, 1), random), 2, random, 4)).toEqual([0.75, 0.25]);
    }
  });

  test('what the first has no room for is spread over the others by their weights', () => {
    const random = seeded(3);
    const group = members(4, 3, 1);
    const balancer = createBalancer('weighted', group, random);
    unwell(group[0]!.gauge, Infinity);
    const [none, second, third] = sharesOf(balancer, 3, random);
    expect(none).toBe(0);
    expect(Math.abs(second! - 0.75)).toBeLessThan(0.02);
    expect(Math.abs(third! - 0.25)).toBeLessThan(0.02);
  });

  test('pods do not begin with the same model', () => {
    const first = Array.from({ length: 400 }, (_, seed) => {
      const random = seeded(seed);
      return createBalancer('weighted', members(1, 1), random).order(0, random, true)[0]!;
    });
    expect(first.reduce((a, b) => a + b) / 400).toBeCloseTo(0.5, 0);
    expect(new Set(first).size).toBe(2);
  });
});

test('round-robin is a turn each, whatever the weights', () => {
  const random = seeded(5);
  const balancer = createBalancer('round-robin', members(9, 1, 1), random);
  const firsts = Array.from({ length: 30 }, () => balancer.order(0, random, true)[0]!);
  expect(new Set(firsts.slice(0, 3)).size).toBe(3);
  for (let i = 3; i < firsts.length; i++) expect(firsts[i]).toBe(firsts[i - 3]);
});

test('least-busy: the fewest under way against the weight; ties by weight', () => {
  const random = seeded(5);
  const group = members(2, 1, 1);
  const balancer = createBalancer('least-busy', group, random);
  for (const [i, running] of [3, 2, 1].entries()) for (let n = 0; n < running; n++) started(group[i]!.gauge);
  expect([...balancer.order(0, random, true)]).toEqual([2, 0, 1]);
  ended(group[0]!.gauge);
  ended(group[2]!.gauge);
  ended(group[1]!.gauge);
  expect([...balancer.order(0, random, true)][0]).toBe(2);
  for (const [i, running] of [2, 1, 0].entries()) for (let n = 0; n < running; n++) ended(group[i]!.gauge);
  const [heavy] = sharesOf(balancer, 3, random);
  expect(Math.abs(heavy! - 0.5)).toBeLessThan(0.02);
});

test('lowest-cost: the cheapest, those without a price last', () => {
  const random = seeded(5);
  const group = [member(), member(1, meanCost({ input: 3, output: 15 })), member(1, meanCost({ input: 0, output: 0 })), member(1, meanCost({ input: 1, output: 20 }))];
  expect(group.map(({ cost }) => cost)).toEqual([undefined, 6, 0, 5.75]);
  expect([...createBalancer('lowest-cost', group, random).order(0, random, true)]).toEqual([2, 3, 1, 0]);
  expect(meanCost(undefined)).toBeUndefined();
});

describe('lowest-latency', () => {
  test('the fastest first; streams and whole answers are not compared', () => {
    const random = seeded(5);
    const group = members(1, 1);
    const balancer = createBalancer('lowest-latency', group, random);
    firstToken(group[0]!.gauge, 300, 0);
    firstToken(group[1]!.gauge, 900, 0);
    answered(group[0]!.gauge, 9000, 0);
    answered(group[1]!.gauge, 4000, 0);
    expect([...balancer.order(0, random, true)]).toEqual([0, 1]);
    expect([...balancer.order(0, random, false)]).toEqual([1, 0]);
  });

  test('a tenth slower is as good, and shares by weight', () => {
    const random = seeded(5);
    const group = members(1, 3, 1);
    for (const [i, ms] of [1000, 1090, 1200].entries()) firstToken(group[i]!.gauge, ms, 0);
    const [a, b, c] = sharesOf(createBalancer('lowest-latency', group, random), 3, random);
    expect(Math.abs(a! - 0.25)).toBeLessThan(0.02);
    expect(Math.abs(b! - 0.75)).toBeLessThan(0.02);
    expect(c).toBe(0);
  });

  test('one that was not measured for a while gets one request in twenty, until it is', () => {
    const random = seeded(5);
    const group = members(1, 1, 1);
    const balancer = createBalancer('lowest-latency', group, random);
    firstToken(group[0]!.gauge, 100, 40_000);
    firstToken(group[1]!.gauge, 900, 5000);
    const shares = sharesOf(balancer, 3, random, 10_000, 0, 40_000);
    expect(Math.abs(shares[0]! - 0.95)).toBeLessThan(0.02);
    expect(shares[1]! + shares[2]!).toBeGreaterThan(0.03);
    expect(Math.min(shares[1]!, shares[2]!)).toBeGreaterThan(0.01);
    firstToken(group[1]!.gauge, 900, 40_000);
    firstToken(group[2]!.gauge, 900, 40_000);
    expect(sharesOf(balancer, 3, random, 1000, 0, 40_000)).toEqual([expect.closeTo(1), 0, 0]);
  });

  test('none is tried for its measure while it is unwell', () => {
    const random = seeded(5);
    const group = members(1, 1, 1000);
    firstToken(group[0]!.gauge, 100, 0);
    unwell(group[2]!.gauge, 1000);
    const [, tried, never] = sharesOf(createBalancer('lowest-latency', group, random), 3, random);
    // Nor does it take the turns of another that is to be measured.
    expect(tried).toBeGreaterThan(0.04);
    expect(never).toBe(0);
  });
});

describe('most-headroom', () => {
  test('of two the one with more left', () => {
    const random = seeded(5);
    const group = members(1, 1);
    const balancer = createBalancer('most-headroom', group, random);
    seen(group[0]!.gauge, [level(10), level(80)], 0);
    seen(group[1]!.gauge, [level(50)], 0);
    expect([...balancer.order(0, random, true)]).toEqual([1, 0]);
    passedOver(group[1]!.gauge, { dimension: 'tokens', waitMs: 500 }, 0);
    expect([...balancer.order(0, random, true)]).toEqual([0, 1]);
  });

  test('of many the better of two drawn, then the others: the best gets no more than its draws', () => {
    const random = seeded(5);
    const group = members(1, 1, 1, 1);
    for (const [i, used] of [10, 20, 30, 90].entries()) seen(group[i]!.gauge, [level(used)], 0);
    const balancer = createBalancer('most-headroom', group, random);
    const shares = sharesOf(balancer, 4, random);
    // It is among two of four in half of the draws; the worst never wins one.
    for (const [i, wanted] of [1 / 2, 1 / 3, 1 / 6, 0].entries()) expect(Math.abs(shares[i]! - wanted)).toBeLessThan(0.02);
    for (let i = 0; i < 100; i++) {
      const [, ...rest] = balancer.order(0, random, true);
      expect(rest).toEqual(rest.toSorted());
    }
  });
});
