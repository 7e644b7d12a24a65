import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { adopt, createModel, reserve, used } from '../../../src/budgets/model.ts';
import { excuseShares, LastSeen } from '../../../src/budgets/shares.ts';
import type { Ask, Decision } from '../../../src/budgets/types.ts';
import { ringSize } from '../../../src/wire/window.ts';

const SHAPE = { stepMs: 10, steps: 20 };
const WINDOW_MS = SHAPE.stepMs * ringSize(SHAPE);

/** Processes that share one budget, and a Redis that comes and goes for all of them. */
class Fleet {
  readonly shared = createModel({ window: SHAPE, leaseMs: 1e9, recordMs: 1e9 });
  readonly pods: { own: ReturnType<typeof createModel>; seen: LastSeen }[];
  now = 1000;
  private calls = 0;
  private readonly limit: number;

  constructor(pods: number, limit: number) {
    this.limit = limit;
    this.pods = Array.from({ length: pods }, () => ({
      own: createModel({ window: SHAPE, leaseMs: 1e9, recordMs: 1e9 }),
      seen: new LastSeen(WINDOW_MS),
    }));
  }

  call(pod: number, redis: boolean): void {
    const { own, seen } = this.pods[pod]!;
    const grant = 1 / this.pods.length;
    const id = String(this.calls++);
    const ask: Ask = { dimension: 'requests', limit: this.limit, amount: 1 };
    const of = (one: Ask) => [{ model: 'a', budget: 'a', asks: [one] }];
    if (!redis) {
      reserve(own, id, of(seen.share('a', ask, grant, this.now)), this.now);
      return;
    }
    const decision = reserve(this.shared, id, of(ask), this.now);
    if (decision.chosen === 0) adopt(own, id, of(ask)[0]!, decision, this.now);
    const total = decision.levels[0]?.used ?? this.limit;
    const held = used(own, 'a', 'requests', this.now);
    seen.note('a', { dimension: 'requests', limit: this.limit, used: total }, held, grant, this.now);
  }

  /** What all of them hold, by their own books. */
  get total(): number {
    return this.pods.reduce((sum, { own }) => sum + used(own, 'a', 'requests', this.now), 0);
  }
}

test('a Redis that comes and goes under load lets no more through than the limit and one call a process', () => {
  const step = fc.record({ redis: fc.boolean(), rounds: fc.integer({ min: 1, max: 60 }), gapMs: fc.integer({ min: 0, max: 15 }) });
  const skew = fc.array(fc.nat(3), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 4, max: 60 }), fc.array(step, { maxLength: 12 }), skew, (pods, limit, steps, busy) => {
      const fleet = new Fleet(pods, limit);
      for (const { redis, rounds, gapMs } of steps) {
        for (let round = 0; round < rounds; round++) {
          fleet.now += gapMs;
          // Some processes have more traffic than others; each asks at least once a round, so that what it saw is fresh.
          for (let pod = 0; pod < pods; pod++) fleet.call(pod, redis);
          for (const pod of busy) fleet.call(pod % pods, redis);
          for (let pod = 0; pod < pods; pod++) fleet.call(pod, redis);
          // What was decided alone is not in Redis: after its return the books of both are behind for one window.
          if (!redis) expect(fleet.total).toBeLessThanOrEqual(limit + pods);
        }
        if (!redis) fleet.now += WINDOW_MS;
      }
    }),
    { numRuns: 100 },
  );
});

test('after a whole window without Redis the plain share counts', () => {
  const seen = new LastSeen(WINDOW_MS);
  const ask: Ask = { dimension: 'tokens', limit: 100, amount: 1 };
  const full = { dimension: 'tokens', limit: 100, used: 100 } as const;
  seen.note('a', full, 30, 1 / 2, 0);
  expect(seen.share('a', ask, 1 / 2, WINDOW_MS - 1).limit).toBe(30);
  expect(seen.share('a', ask, 1 / 2, WINDOW_MS).limit).toBe(50);
  expect(seen.share('b', ask, 1 / 2, 0).limit).toBe(50);
  // What was seen last counts, and for as long as was said.
  seen.note('a', { ...full, used: 60 }, 30, 1 / 2, 0, 10_000);
  expect(seen.share('a', ask, 1 / 2, 9_999).limit).toBe(50);
  seen.note('a', { ...full, used: 90 }, 30, 1 / 2, 0, 10_000);
  expect(seen.share('a', ask, 1 / 2, 9_999).limit).toBe(35);
  expect(seen.share('a', ask, 1 / 2, 10_000).limit).toBe(50);
});

test('more than the share is not "never", more than the limit is', () => {
  const candidate = (amount: number) => ({ model: 'm', budget: 'a', asks: [{ dimension: 'tokens', limit: 100, amount } as const] });
  const never = { dimension: 'tokens', waitMs: -1 } as const;
  const decision: Decision = { chosen: -1, refusals: [never, never], levels: [], replayed: false, probe: false, would: null, by: 'process' };
  const candidates = [candidate(100), candidate(101)];
  expect(excuseShares(decision, candidates).refusals.map(({ waitMs }) => waitMs)).toEqual([0, -1]);
  for (const [chosen, waitMs] of [[0, 0], [1, -1]] as const)
    expect(excuseShares({ ...decision, chosen, refusals: [], would: never }, candidates).would).toEqual({ ...never, waitMs });
});
