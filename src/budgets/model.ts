/**
 * The budgets' rules over state in memory: what the Lua scripts do, operation by operation. It is the engine of one
 * process, the engine for when Redis is away, and the reference that the tests hold the scripts against.
 */
import { ringSize, type WindowShape } from '../wire/window.ts';
import { knownAmount, wholeAmount } from './amounts.ts';
import { Ring } from './ring.ts';
import { SortedSet } from './sorted.ts';
import type { Actual, Ask, Candidate, Decision, Dimension, Level, Refusal } from './types.ts';

/** Expired records collected per admission, which adds one; the same number as in reserve.lua. */
const COLLECTED = 4;

interface Charge {
  readonly dimension: Dimension;
  readonly index: number;
  readonly amount: number;
}

interface Reservation {
  readonly decision: Decision;
  readonly budget: string;
  readonly charges: readonly Charge[];
}

interface Budget {
  readonly rings: Map<Dimension, Ring>;
  readonly slots: SortedSet;
}

export interface ModelOptions {
  readonly window: WindowShape;
  /** How long a concurrency slot is held without a beat. */
  readonly leaseMs: number;
  /** How long a reservation is remembered without a settle or a beat. */
  readonly recordMs: number;
}

export interface Model extends ModelOptions {
  readonly budgets: Map<string, Budget>;
  readonly reservations: Map<string, Reservation>;
  readonly expiries: SortedSet;
  readonly pods: SortedSet;
}

/** A reservation that is under way, for `beat`. */
export interface Held {
  readonly id: string;
  /** Whose concurrency slot it holds; null if none. */
  readonly slotOf: string | null;
}

export function createModel(options: ModelOptions): Model {
  if (ringSize(options.window) < 2) throw new RangeError('a window has at least one step');
  return {
    ...options,
    budgets: new Map(),
    reservations: new Map(),
    expiries: new SortedSet(),
    pods: new SortedSet(),
  };
}

/** The decision made for this id before, if it is still remembered. */
export function recall(model: Model, id: string): Decision | undefined {
  const known = model.reservations.get(id);
  return known && { ...known.decision, replayed: true };
}

export function reserve(model: Model, id: string, candidates: readonly Candidate[], now: number): Decision {
  const known = recall(model, id);
  if (known) return known;
  const refusals: Refusal[] = [];
  for (const [chosen, candidate] of candidates.entries()) {
    const refusal = refuse(model, candidate, now);
    if (refusal) {
      refusals.push(refusal);
      continue;
    }
    const charges = charge(model, id, candidate, now);
    const levels = candidate.asks.map((ask) => level(model, candidate.budget, ask, now));
    const decision: Decision = { chosen, refusals, levels, replayed: false, by: 'process' };
    remember(model, id, { decision, budget: candidate.budget, charges }, now);
    return decision;
  }
  return { chosen: -1, refusals, levels: [], replayed: false, by: 'process' };
}

/** Takes over what Redis decided, room or no room: so that this process knows its own use when Redis is away. */
export function adopt(model: Model, id: string, candidate: Candidate, decision: Decision, now: number): void {
  if (model.reservations.has(id)) return;
  const charges = charge(model, id, candidate, now);
  remember(model, id, { decision, budget: candidate.budget, charges }, now);
}

/** Answers whether there was such a reservation. */
export function settle(model: Model, id: string, actual: Actual, now: number): boolean {
  const known = model.reservations.get(id);
  if (!known) return false;
  model.reservations.delete(id);
  model.expiries.remove(id);
  for (const { dimension, index, amount } of known.charges) {
    const used = knownAmount(actual, dimension) ?? amount;
    if (dimension === 'concurrency') budgetOf(model, known.budget).slots.remove(id);
    else if (used < amount) ringOf(model, known.budget, dimension).giveBack(index, amount - used, now);
    else ringOf(model, known.budget, dimension).add(used - amount, now);
  }
  return true;
}

/** Answers the number of live pods. A heartbeat of 0 ms: the pod leaves. */
export function beat(model: Model, pod: string, podMs: number, held: readonly Held[], now: number): number {
  model.pods.takeUpTo(now);
  if (podMs > 0) model.pods.add(pod, now + podMs);
  else model.pods.remove(pod);
  for (const { id, slotOf } of held) {
    if (!model.reservations.has(id)) continue;
    if (slotOf !== null) budgetOf(model, slotOf).slots.add(id, now + model.leaseMs);
    model.expiries.add(id, now + model.recordMs);
  }
  return model.pods.size;
}

export function usage(
  model: Model,
  budgets: ReadonlyMap<string, readonly Ask[]>,
  now: number,
): Map<string, readonly Level[]> {
  return new Map([...budgets].map(([name, asks]) => [name, asks.map((ask) => level(model, name, ask, now))]));
}

/** Of several asks without room, the one that lasts longest is the reason; "never" (-1) lasts longest of all. */
function refuse(model: Model, candidate: Candidate, now: number): Refusal | undefined {
  let longest: Refusal | undefined;
  for (const { dimension, limit, amount: given } of candidate.asks) {
    const amount = wholeAmount(given);
    if (used(model, candidate.budget, dimension, now) + amount <= limit) continue;
    let waitMs = 0;
    if (amount > limit) waitMs = -1;
    else if (dimension !== 'concurrency')
      waitMs = ringOf(model, candidate.budget, dimension).waitFor(limit - amount, now);
    if (!longest || (longest.waitMs !== -1 && (waitMs === -1 || waitMs > longest.waitMs)))
      longest = { dimension, waitMs };
  }
  return longest;
}

function charge(model: Model, id: string, candidate: Candidate, now: number): Charge[] {
  return candidate.asks.map(({ dimension, amount: given }) => {
    const amount = wholeAmount(given);
    if (dimension === 'concurrency') {
      if (amount > 0) {
        const { slots } = budgetOf(model, candidate.budget);
        slots.takeUpTo(now);
        slots.add(id, now + model.leaseMs);
      }
      return { dimension, index: 0, amount };
    }
    const ring = ringOf(model, candidate.budget, dimension);
    const index = ring.index(now);
    ring.add(amount, now);
    return { dimension, index, amount };
  });
}

function remember(model: Model, id: string, reservation: Reservation, now: number): void {
  for (const dead of model.expiries.takeUpTo(now, COLLECTED)) model.reservations.delete(dead);
  model.reservations.set(id, reservation);
  model.expiries.add(id, now + model.recordMs);
}

function level(model: Model, budget: string, { dimension, limit }: Ask, now: number): Level {
  const resetMs = dimension === 'concurrency' ? 0 : ringOf(model, budget, dimension).resetMs(now);
  return { dimension, limit, used: used(model, budget, dimension, now), resetMs };
}

/** What is held of one dimension now. */
export function used(model: Model, budget: string, dimension: Dimension, now: number): number {
  if (dimension === 'concurrency') return budgetOf(model, budget).slots.countAbove(now);
  return ringOf(model, budget, dimension).used(now);
}

function budgetOf(model: Model, name: string): Budget {
  let budget = model.budgets.get(name);
  if (!budget) {
    budget = { rings: new Map(), slots: new SortedSet() };
    model.budgets.set(name, budget);
  }
  return budget;
}

function ringOf(model: Model, name: string, dimension: Dimension): Ring {
  const { rings } = budgetOf(model, name);
  let ring = rings.get(dimension);
  if (!ring) {
    ring = new Ring(model.window);
    rings.set(dimension, ring);
  }
  return ring;
}
