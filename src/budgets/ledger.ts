/**
 * What this pod has reserved and used, and what of it Redis has not been told: the base of its own decisions while Redis is
 * away, and of what it tells when Redis is back.
 */
import { Register } from '../wire/register.ts';
import { NOTHING } from './amounts.ts';
import * as local from './model.ts';
import { budgetOf, isCost, purseOf, ringOf, type Model, type Reservation } from './model-state.ts';
import type { AssertedUse, CostDimension, Op, OpResult, RateDimension } from './ops.ts';
import { FORGOTTEN_MS } from './process.ts';
import type { Actual, Candidate, Decision, Report, ReserveOptions, WindowShape } from './types.ts';

export interface Live {
  readonly candidate: Candidate;
  readonly since: number;
  /** Redis has its record, or will have if it takes it. */
  told: boolean;
  /** Redis is known to have it. */
  isSure: boolean;
  /** When Redis heard of it last. */
  renewed: number;
  soFar: (() => Actual) | undefined;
  /** What it came to, of one that was settled before that was known. */
  settled?: { readonly reservation: Reservation; readonly actual: Actual; readonly emptied: number };
}

export class Ledger {
  readonly #window: WindowShape;
  readonly #probeMs: number;
  /** Everything, told or not. */
  readonly own: Model;
  readonly live = new Register<Live>();
  /** What is over and not told. */
  #untold: Model;
  /** How many of the live are not told. */
  #untoldLive = 0;
  /** How often Redis was emptied. */
  #emptied = 0;

  /** @param probeMs how long the next request waits for a probe that says nothing */
  constructor(window: WindowShape, probeMs: number) {
    this.#window = window;
    this.#probeMs = probeMs;
    this.own = this.#empty();
    this.#untold = this.#empty();
  }

  recall(id: string): Decision | undefined {
    return local.recall(this.own, id);
  }

  /** Redis decided. */
  adopt(id: string, candidate: Candidate, decision: Decision, now: number): void {
    local.forget(this.own, now);
    local.adopt(this.own, id, candidate, decision, now);
    this.live.set(id, { candidate, since: now, told: true, isSure: true, renewed: now, soFar: undefined });
  }

  /** This pod decides. @param candidates with the limits that it keeps to */
  decide(id: string, candidates: readonly Candidate[], options: ReserveOptions, now: number): Decision {
    local.forget(this.own, now);
    const decision = local.reserve(this.own, id, candidates, now, options);
    const candidate = candidates[decision.chosen];
    if (candidate) {
      this.live.set(id, { candidate, since: now, told: false, isSure: false, renewed: now, soFar: undefined });
      this.#untoldLive += 1;
    }
    return decision;
  }

  /** Answers what was live, if it was. */
  settle(id: string, actual: Actual, report: Report | undefined, now: number): Live | undefined {
    const live = this.live.get(id);
    const reservation = live?.isSure ? undefined : this.#copyOf(id);
    if (live && reservation) {
      if (live.told) live.settled = { reservation, actual, emptied: this.#emptied };
      else {
        this.#untoldLive -= 1;
        this.#owe(id, reservation, actual, now);
      }
    }
    this.live.delete(id);
    local.settle(this.own, id, actual, now, report);
    return live;
  }

  /** Redis heard of it at `now`. */
  renewed(id: string, now: number): void {
    const live = this.live.get(id);
    if (live) live.renewed = now;
  }

  extend(id: string, actual: Actual, now: number): void {
    local.extend(this.own, id, actual, now);
  }

  /** Redis was emptied: it knows of nothing any more. */
  emptied(now: number): void {
    this.#emptied += 1;
    this.#untold = this.#empty();
    for (const name of this.own.budgets.keys()) local.assertUse(this.#untold, name, this.#useOf(this.own, name, now), now);
    for (const [id, live] of this.live) {
      live.told = false;
      live.isSure = false;
      const reservation = this.#copyOf(id);
      if (!reservation) continue;
      this.#untold.reservations.add(id, now, reservation);
      local.settle(this.#untold, id, NOTHING, now);
    }
    this.#untoldLive = this.live.size;
  }

  /** What Redis is to be told now, in this order; from here on it counts as told. */
  *tell(now: number): Generator<Op> {
    if (this.#untoldLive > 0) {
      for (const [id, live] of this.live) {
        if (live.told) continue;
        live.told = true;
        live.renewed = now;
        this.#untoldLive -= 1;
        yield { kind: 'reserve', id, candidates: [live.candidate], enforce: false };
        const actual = this.#extended(id, live);
        if (actual) yield { kind: 'extend', id, budgets: [live.candidate.budget], actual };
      }
    }
    yield* this.tellUse(now);
  }

  /** The part of it that Redis takes even while it takes no reservations. */
  *tellUse(now: number): Generator<Op> {
    if (this.#untold.budgets.size === 0) return;
    const untold = this.#untold;
    this.#untold = this.#empty();
    for (const name of untold.budgets.keys()) {
      const use = this.#useOf(untold, name, now);
      if (Object.keys(use.rates).length > 0 || Object.keys(use.costs).length > 0) yield { kind: 'assert', budget: name, use };
    }
  }

  /** What Redis says to a reservation that it was told. */
  heard(id: string, live: Live, result: OpResult, now: number): void {
    if (typeof result === 'object' && result.chosen >= 0) {
      live.isSure = live.told;
      return;
    }
    // Not taken: its model is unwell, or Redis was emptied once more.
    const { settled } = live;
    // Of one that was settled before Redis was emptied all is told again anyhow.
    if (settled?.emptied === this.#emptied) this.#owe(id, settled.reservation, settled.actual, now);
    if (!live.told || this.live.get(id) !== live) return;
    live.told = false;
    this.#untoldLive += 1;
  }

  /** What it came to counts as not told. */
  #owe(id: string, reservation: Reservation, actual: Actual, now: number): void {
    const budget = budgetOf(this.#untold, reservation.budget);
    for (const { dimension, index, amount } of reservation.charges) {
      if (dimension === 'concurrency') continue;
      if (!isCost(dimension)) ringOf(this.#untold, budget, dimension).addAt(index, amount, now);
      // What was charged to a period that is over belongs there.
      else if (index >= purseOf(budget, dimension).period(now)) purseOf(budget, dimension).add(amount, now);
    }
    this.#untold.reservations.add(id, now, reservation);
    local.settle(this.#untold, id, actual, now);
  }

  #copyOf(id: string): Reservation | undefined {
    const known = this.own.reservations.get(id);
    return known && { ...known, charges: known.charges.map(({ dimension, index, amount }) => ({ dimension, index, amount })) };
  }

  /** What a long call has used so far, if it was asked. */
  #extended(id: string, { candidate }: Live): Actual | undefined {
    const known = this.own.reservations.get(id);
    if (!known || (!known.progress && known.charges.length === candidate.asks.length)) return undefined;
    const actual: Actual = Object.fromEntries(known.progress ?? []);
    for (const { dimension, amount } of known.charges)
      if (dimension !== 'concurrency' && !isCost(dimension)) actual[dimension] = (actual[dimension] ?? 0) + amount;
    return actual;
  }

  #useOf(model: Model, name: string, now: number): AssertedUse {
    const budget = budgetOf(model, name);
    const rates: Partial<Record<RateDimension, [number, number][]>> = {};
    for (const [dimension, ring] of budget.rings) {
      const entries = ring.entries(now);
      if (entries.length === 0) continue;
      // The end of its sub-bucket, so that on Redis' clock nothing leaves the window too early.
      rates[dimension] = entries.map(([index, amount]) => [Math.max(0, now - (index + 1) * this.#window.stepMs + 1), amount]);
    }
    const costs: Partial<Record<CostDimension, number>> = {};
    for (const [dimension, purse] of budget.purses) if (purse.used(now) > 0) costs[dimension] = purse.used(now);
    return { rates, costs, slots: [] };
  }

  #empty(): Model {
    return local.createModel({ window: this.#window, leaseMs: FORGOTTEN_MS, recordMs: FORGOTTEN_MS, probeMs: this.#probeMs });
  }
}
