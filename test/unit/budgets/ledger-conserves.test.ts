/**
 * Conservation: whatever was decided by whom, settled, extended, refused, forgotten by Redis: once all is told, Redis holds
 * what this pod has used, and never less.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { WARM } from '../../../src/budgets/health.ts';
import { Ledger, type Live } from '../../../src/budgets/ledger.ts';
import * as local from '../../../src/budgets/model.ts';
import type { Op, OpResult } from '../../../src/budgets/ops.ts';
import type { Actual, Candidate, Dimension } from '../../../src/budgets/types.ts';
import { Oracle } from './support/oracle.ts';

const LONG = { stepMs: 1_000, steps: 1_000 };
const SHORT = { stepMs: 10, steps: 4 };
const FOREVER = 1e12;
const DIMENSIONS: readonly Dimension[] = ['requests', 'tokens', 'output_tokens', 'concurrency', 'cost_day', 'cost_month'];
const BUDGETS = ['a', 'b'];
const SETTLED: readonly Dimension[] = ['requests', 'tokens', 'output_tokens', 'cost_day', 'cost_month'];

interface Told {
  readonly op: Op;
  readonly live: Live | undefined;
}

/** One pod, its Redis, and what is on the way between them. */
class Pod {
  readonly window: typeof LONG;
  readonly ledger: Ledger;
  redis: Oracle;
  now: number;
  #epoch: string;
  #pipe: Told[] = [];
  #made = 0;
  readonly #soFar = new Map<string, Actual>();

  constructor(window: typeof LONG, now: number) {
    this.window = window;
    this.now = now;
    this.ledger = new Ledger(window, FOREVER);
    this.redis = this.#empty();
    this.#epoch = this.#beat();
  }

  reserve(candidate: Candidate, asksRedis: boolean): void {
    const { ledger, now } = this;
    const id = `${(this.#made += 1)}`;
    const [result] = asksRedis ? this.redis.apply([{ kind: 'reserve', id, candidates: [candidate], enforce: true }], this.#epoch, now) : [];
    if (typeof result !== 'object') ledger.decide(id, [candidate], { enforce: true }, now);
    else if (result.chosen === 0) ledger.adopt(id, candidate, result, now);
  }

  settle(which: number, actual: Actual): void {
    const id = this.#live(which);
    if (id === undefined) return;
    const live = this.ledger.settle(id, actual, undefined, this.now);
    if (live?.told) this.#pipe.push({ op: { kind: 'settle', id, budgets: [live.candidate.budget], actual }, live: undefined });
  }

  extend(which: number, more: Actual): void {
    const id = this.#live(which);
    if (id === undefined) return;
    // What has been used so far does not become less.
    const actual: Actual = { ...this.#soFar.get(id) };
    for (const dimension of SETTLED) if (more[dimension] !== undefined) actual[dimension] = (actual[dimension] ?? 0) + more[dimension];
    this.#soFar.set(id, actual);
    const { candidate, told } = this.ledger.live.get(id)!;
    this.ledger.extend(id, actual, this.now);
    if (told) this.#pipe.push({ op: { kind: 'extend', id, budgets: [candidate.budget], actual }, live: undefined });
  }

  /** Always right after a beat, which knows whether Redis was emptied. */
  tell(): void {
    this.beat();
    for (const op of this.ledger.tell(this.now)) this.#pipe.push({ op, live: op.kind === 'reserve' ? this.ledger.live.get(op.id) : undefined });
  }

  /** What is on the way arrives, in order; the answers are heard. */
  flow(most: number): void {
    for (const { op, live } of this.#pipe.splice(0, most)) {
      const [result] = this.redis.apply([op], this.#epoch, this.now) as [OpResult];
      if (live && op.kind === 'reserve') this.ledger.heard(op.id, live, result, this.now);
    }
  }

  /** All models are unwell: Redis takes no reservations. */
  unwell(): void {
    for (const name of BUDGETS) this.#cooldown(name, FOREVER * 10);
  }

  flush(): void {
    // Use that is on the way when Redis is emptied is told twice: nothing in it says which Redis it was meant for.
    this.flow(Infinity);
    this.redis = this.#empty();
  }

  beat(): void {
    const epoch = this.#beat();
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.ledger.emptied(this.now);
    this.#pipe = [];
  }

  /** Redis is there and well, and what is not told yet is. */
  catchUp(): void {
    for (const name of BUDGETS) this.#cooldown(name, 0);
    this.beat();
    this.flow(Infinity);
    this.tell();
    this.flow(Infinity);
  }

  /** What Redis holds and what this pod has used, some time from now. */
  figures(laterMs: number): [held: number, used: number][] {
    const at = this.now + laterMs;
    const both = (name: string, dimension: Dimension): [number, number] => [
      local.used(this.redis.model, name, dimension, at),
      local.used(this.ledger.own, name, dimension, at),
    ];
    return BUDGETS.flatMap((name) => DIMENSIONS.map((dimension) => both(name, dimension)));
  }

  #live(which: number): string | undefined {
    const ids = [...this.ledger.live.keys()];
    return ids[which % ids.length];
  }

  #empty(): Oracle {
    return new Oracle({ window: this.window, leaseMs: FOREVER, recordMs: FOREVER });
  }

  #beat(): string {
    return this.redis.beat('pod', FOREVER, [], { id: `${(this.#made += 1)}`, learnMs: 0 }, this.now).epoch;
  }

  #cooldown(name: string, until: number): void {
    this.redis.usage({ budgets: new Map([[name, []]]), models: new Map([['m', name]]) }, this.now);
    this.redis.model.budgets.get(name)!.cooldown = { ...WARM, until };
  }
}

const amounts = fc.array(fc.option(fc.nat(100)), { minLength: SETTLED.length, maxLength: SETTLED.length });
const actual = amounts.map((its): Actual => Object.fromEntries(SETTLED.map((d, i) => [d, its[i]] as const).filter(([, n]) => n !== null)));
const candidate = fc.record({ budget: fc.constantFrom(...BUDGETS), dimensions: fc.subarray([...DIMENSIONS]), amount: fc.nat(50) }).map(
  ({ budget, dimensions, amount }): Candidate => ({
    model: 'm',
    budget,
    asks: dimensions.map((dimension) => ({ dimension, limit: 1e9, amount: dimension === 'concurrency' ? 1 : amount })),
  }),
);
const just = <T extends string>(kind: T) => fc.constant({ kind });
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('reserve' as const), candidate, asksRedis: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('settle' as const), which: fc.nat(9), actual }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('extend' as const), which: fc.nat(9), actual }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('flow' as const), most: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(25) }) },
  { weight: 2, arbitrary: just('tell') },
  fc.oneof(just('flush'), just('beat'), just('unwell'), just('catchUp')),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function play(pod: Pod, steps: readonly Step[]): void {
  for (const one of steps) {
    if (one.kind === 'reserve') pod.reserve(one.candidate, one.asksRedis);
    else if (one.kind === 'settle') pod.settle(one.which, one.actual);
    else if (one.kind === 'extend') pod.extend(one.which, one.actual);
    else if (one.kind === 'flow') pod.flow(one.most);
    else if (one.kind === 'pass') pod.now += one.ms;
    else pod[one.kind]();
  }
}

const history = fc.array(step, { minLength: 5, maxLength: 60 });
const NOON = Date.UTC(2026, 10, 30, 12);
const MIDNIGHT = Date.UTC(2026, 11, 1);

test('I14: once all is told, Redis holds exactly what this pod has used', () => {
  fc.assert(
    fc.property(history, (steps) => {
      const pod = new Pod(LONG, NOON);
      play(pod, steps);
      pod.catchUp();
      for (const [held, used] of pod.figures(0)) expect(held).toBe(used);
      // Told twice, it would be charged twice.
      pod.catchUp();
      for (const [held, used] of pod.figures(0)) expect(held).toBe(used);
      // And what goes on afterwards finds its reservations there.
      while (pod.ledger.live.size > 0) pod.settle(0, { tokens: 1, cost_day: 1 });
      pod.catchUp();
      for (const [held, used] of pod.figures(0)) expect(held).toBe(used);
      expect(pod.redis.model.reservations.size).toBe(0);
    }),
    { numRuns: 400 },
  );
});

test('I14: with use that leaves the window and a month that ends, Redis never holds less, now or later', () => {
  fc.assert(
    fc.property(history, fc.constantFrom(NOON, MIDNIGHT - 100, MIDNIGHT - 10), (steps, start) => {
      const pod = new Pod(SHORT, start);
      play(pod, steps);
      pod.catchUp();
      for (const laterMs of [0, 10, 25, 40, 1_000]) for (const [held, used] of pod.figures(laterMs)) expect(held).toBeGreaterThanOrEqual(used);
    }),
    { numRuns: 400 },
  );
});
