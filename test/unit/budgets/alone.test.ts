/** How a pod decides by itself, and what all of them together let through. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Alone, type AloneMode } from '../../../src/budgets/alone.ts';
import { Ledger } from '../../../src/budgets/ledger.ts';
import * as local from '../../../src/budgets/model.ts';
import type { Actual, Ask, Candidate, Decision, Dimension } from '../../../src/budgets/types.ts';
import { ringSize } from '../../../src/wire/window.ts';
import { Oracle } from './support/oracle.ts';

const SHAPE = { stepMs: 10, steps: 20 };
const WINDOW_MS = SHAPE.stepMs * ringSize(SHAPE);
const NOON = Date.UTC(2026, 10, 21, 12);
const MIDNIGHT = Date.UTC(2026, 10, 22);
const ROOM = { enforce: true };

const ask = (dimension: Dimension, limit: number, amount = 1): Ask => ({ dimension, limit, amount });
const candidate = (...asks: Ask[]): Candidate => ({ model: 'm', budget: 'a', asks });

function alone(mode: AloneMode, grant = 1 / 2) {
  const ledger = new Ledger(SHAPE, 1_000);
  const engine = new Alone(ledger, mode, WINDOW_MS, grant);
  let made = 0;
  const decide = (its: Candidate, now = NOON, options = ROOM) => engine.decide(`${(made += 1)}`, [its], options, now);
  const admitted = (its: Candidate, times: number, now = NOON) =>
    Array.from({ length: times }, () => decide(its, now)).filter(({ chosen }) => chosen === 0).length;
  return { ledger, engine, decide, admitted };
}

test('share: its part of every limit; a reason without a promise when it is more', () => {
  const { decide, admitted } = alone('share');
  expect(admitted(candidate(ask('requests', 10)), 10)).toBe(5);
  expect(decide(candidate(ask('requests', 10)))).toMatchObject({ chosen: -1, by: 'process', refusals: [{ dimension: 'requests', waitMs: 210 }] });
  expect(decide(candidate(ask('tokens', 100, 80)))).toMatchObject({ chosen: -1, refusals: [{ waitMs: 0 }] });
  expect(decide(candidate(ask('tokens', 100, 101)))).toMatchObject({ chosen: -1, refusals: [{ waitMs: -1 }] });
  expect(admitted(candidate(ask('requests', 10)), 10, NOON + WINDOW_MS)).toBe(5);
});

test('open: all passes and is counted, and nobody is told that it would not have; health is kept to', () => {
  const { ledger, engine, decide } = alone('open');
  for (let i = 0; i < 3; i += 1) expect(decide(candidate(ask('requests', 1)))).toMatchObject({ chosen: 0, would: null, refusals: [] });
  expect(local.used(ledger.own, 'a', 'requests', NOON)).toBe(3);
  local.report(ledger.own, '1', { kind: 'throttled', forMs: 100 }, NOON);
  expect(decide(candidate(ask('requests', 1)))).toMatchObject({ chosen: -1, refusals: [{ dimension: 'cooldown', waitMs: 100 }] });
  const subjects = { budgets: new Map([['a', [ask('requests', 1)]]]), models: new Map([['m', 'a']]) };
  const { levels, health } = engine.usage(subjects, NOON);
  expect([levels.get('a'), health.get('m')]).toMatchObject([[{ limit: 1, used: 3 }], { cooldownMs: 100 }]);
});

test('closed: nothing with a limit passes, nobody knows for how long; without limits it does', () => {
  const { decide } = alone('closed');
  expect(decide(candidate(ask('tokens', 100, 1), ask('cost_day', 100, 0)))).toMatchObject({ chosen: -1, refusals: [{ dimension: 'tokens', waitMs: 0 }] });
  expect(decide(candidate()).chosen).toBe(0);
});

test('not enforced: charged all the same, and told what would have been', () => {
  const { ledger, decide } = alone('share');
  const its = candidate(ask('requests', 2));
  expect(decide(its, NOON, { enforce: false })).toMatchObject({ chosen: 0, would: null });
  expect(decide(its, NOON, { enforce: false })).toMatchObject({ chosen: 0, would: { dimension: 'requests', waitMs: 210 } });
  expect(decide(candidate(ask('tokens', 10, 7)), NOON, { enforce: false }).would).toEqual({ dimension: 'tokens', waitMs: 0 });
  expect(local.used(ledger.own, 'a', 'requests', NOON)).toBe(2);
});

/** What Redis said of a budget without room, and of one with `used`. */
const full = (dimension: Dimension, waitMs: number): Decision => ({
  chosen: -1, refusals: [{ dimension, waitMs } as Decision['refusals'][number]], levels: [], replayed: false, probe: false, would: null, by: 'redis',
});

test('never beyond what Redis last saw to be free, for a window', () => {
  const { engine, admitted } = alone('share');
  const its = candidate(ask('requests', 10));
  engine.learn([its], full('requests', 50), NOON);
  expect(admitted(its, 3)).toBe(0);
  engine.learn([its], { ...full('requests', 0), chosen: 0, refusals: [], levels: [{ dimension: 'requests', limit: 10, used: 6, resetMs: 200 }] }, NOON);
  expect(admitted(its, 5)).toBe(2);
  expect(admitted(its, 9, NOON + WINDOW_MS)).toBe(5);
  // A model that is unwell says nothing of its budget.
  const other = { ...its, budget: 'b' };
  engine.learn([other], { ...full('requests', 5), refusals: [{ dimension: 'circuit_open', waitMs: 5 }] }, NOON);
  expect(admitted(other, 9)).toBe(5);
});

test('what was spent counts to the end of its day, however long Redis is away', () => {
  const { engine, admitted } = alone('share');
  const its = candidate(ask('cost_day', 100, 10));
  engine.learn([its], full('cost_day', MIDNIGHT - NOON), NOON);
  expect(admitted(its, 3, NOON + 10 * WINDOW_MS)).toBe(0);
  expect(admitted(its, 3, MIDNIGHT - 1)).toBe(0);
  expect(admitted(its, 9, MIDNIGHT)).toBe(5);
});

/** Pods that come and go and share one budget; a Redis that is away for all of them, and is told when it is back. */
class Fleet {
  readonly redis = new Oracle({ window: SHAPE, leaseMs: 1e9, recordMs: 1e9 });
  readonly limit: number;
  now = NOON;
  pods: { name: string; ledger: Ledger; alone: Alone }[] = [];
  /** Those that left: what they used counts still. */
  readonly gone: Ledger[] = [];
  #made = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  join(): void {
    const ledger = new Ledger(SHAPE, 1_000);
    const name = `pod-${(this.#made += 1)}`;
    this.pods.push({ name, ledger, alone: new Alone(ledger, 'share', WINDOW_MS, 0) });
  }

  leave(): void {
    const pod = this.pods.shift()!;
    this.redis.beat(pod.name, 0, [], { id: '', learnMs: 0 }, this.now);
    this.gone.push(pod.ledger);
  }

  /** Redis is back: each tells before any asks. */
  tell(): void {
    for (const { ledger } of this.pods) this.redis.apply([...ledger.tell(this.now)], '', this.now);
  }

  beat(): void {
    for (const { name, alone: engine } of this.pods) engine.grant = this.redis.beat(name, 1e9, [], { id: 'e', learnMs: 0 }, this.now).grant / 1e6;
    expect(this.pods.reduce((sum, { alone: { grant } }) => sum + grant, 0)).toBeLessThanOrEqual(1);
  }

  call(which: number, isUp: boolean, actual: Actual | null): void {
    this.#ask(which, isUp, actual, candidate(ask('requests', this.limit), ask('cost_day', 4 * this.limit, 2)));
  }

  /** Takes nothing. Of each dimension apart: a refusal tells of one only. */
  look(which: number, isUp: boolean): void {
    for (const its of [ask('requests', this.limit, 0), ask('cost_day', 4 * this.limit, 0)]) this.#ask(which, isUp, {}, candidate(its));
  }

  #ask(which: number, isUp: boolean, actual: Actual | null, its: Candidate): void {
    const { ledger, alone: engine } = this.pods[which % this.pods.length]!;
    const id = `${(this.#made += 1)}`;
    let decision: Decision;
    if (isUp) {
      [decision] = this.redis.apply([{ kind: 'reserve', id, candidates: [its], enforce: true }], '', this.now) as [Decision];
      if (decision.chosen === 0) ledger.adopt(id, its, decision, this.now);
      engine.learn([its], decision, this.now);
    } else decision = engine.decide(id, [its], ROOM, this.now);
    if (decision.chosen < 0 || actual === null) return;
    if (ledger.settle(id, actual, undefined, this.now)?.told) this.redis.apply([{ kind: 'settle', id, budgets: ['a'], actual }], '', this.now);
  }

  /** What all of them hold, by their own books. */
  total(dimension: Dimension): number {
    const ledgers = [...this.pods.map(({ ledger }) => ledger), ...this.gone];
    return ledgers.reduce((sum, { own }) => sum + local.used(own, 'a', dimension, this.now), 0);
  }
}

test('I11: whoever comes and goes, pods and Redis, all together use no more than the limit and one call a pod', () => {
  const phase = fc.record({
    isUp: fc.boolean(),
    fleet: fc.constantFrom('same', 'joins', 'leaves', 'same'),
    rounds: fc.integer({ min: 1, max: 40 }),
    gapMs: fc.integer({ min: 0, max: 15 }),
  });
  // By whom beside the one call of each, and what it comes to.
  const busy = fc.array(fc.tuple(fc.nat(5), fc.constantFrom(null, {}, { requests: 0, cost_day: 1 }, { requests: 1, cost_day: 2 })), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 4, max: 60 }), fc.array(phase, { maxLength: 14 }), busy, (pods, limit, phases, calls) => {
      const fleet = new Fleet(limit);
      for (let i = 0; i < pods; i += 1) fleet.join();
      for (const { isUp, fleet: change, rounds, gapMs } of [{ isUp: true, fleet: 'same', rounds: 2, gapMs: 1 }, ...phases]) {
        if (isUp) {
          fleet.tell();
          if (change === 'joins') fleet.join();
          if (change === 'leaves' && fleet.pods.length > 1) fleet.leave();
          fleet.beat();
          fleet.beat();
        }
        for (let round = 0; round < rounds; round += 1) {
          fleet.now += gapMs;
          for (const [pod, actual] of calls) fleet.call(pod, isUp, actual);
          // Each looks at the end of a round, so that what it saw is fresh.
          for (let pod = 0; pod < fleet.pods.length; pod += 1) fleet.look(pod, isUp);
          const count = fleet.pods.length + fleet.gone.length;
          expect(fleet.total('requests')).toBeLessThanOrEqual(limit + count);
          expect(fleet.total('cost_day')).toBeLessThanOrEqual(4 * limit + 2 * count);
        }
      }
    }),
    { numRuns: 100 },
  );
});
