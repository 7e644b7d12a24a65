/** What the model remembers, and how one dimension of one budget is read and charged. */
import { sized } from '../wire/sized.ts';
import { ringSize, type WindowShape } from '../wire/window.ts';
import { type Circuit, type Cooldown, WARM } from './health.ts';
import { Purse } from './money.ts';
import type { CostDimension, RateDimension } from './ops.ts';
import { Ring } from './ring.ts';
import { SortedSet } from './sorted.ts';
import type { Actual, Ask, Decision, Dimension, Level } from './types.ts';

export interface Charge {
  readonly dimension: Dimension;
  /** Sub-bucket or period. */
  readonly index: number;
  amount: number;
}

export interface Reservation {
  readonly decision: Decision;
  readonly model: string;
  readonly budget: string;
  /** In the order in which they were made. */
  readonly charges: Charge[];
  /** What it cost so far, as told last; undefined before. */
  progress: Map<Dimension, number> | undefined;
  /** Asked now and then what it has used so far, where this process does that. */
  soFar: (() => Actual) | undefined;
  /** Its pod is gone; remembered for a late settle. */
  orphan: boolean;
}

export interface Budget {
  readonly rings: Map<RateDimension, Ring>;
  readonly purses: Map<CostDimension, Purse>;
  readonly slots: SortedSet;
  readonly circuits: Map<string, Circuit>;
  cooldown: Cooldown;
}

export interface ModelOptions {
  readonly window: WindowShape;
  /** How long a slot is held and a reservation counts as under way without a beat. */
  readonly leaseMs: number;
  /** How long an orphan is remembered. */
  readonly recordMs: number;
  /** How long the next request waits for a probe that says nothing; if left out, a lease. */
  readonly probeMs?: number;
}

export interface Model extends ModelOptions {
  readonly probeMs: number;
  readonly budgets: Map<string, Budget>;
  /** By when their leases run out. Undefined: the record is lost and the lease is not, which Redis can do. */
  readonly reservations: SortedSet<Reservation | undefined>;
  readonly pods: SortedSet;
  /** By pod, in millionths. */
  readonly grants: Map<string, number>;
  epoch: { readonly id: string; readonly learningUntil: number; readonly newestBeat: number } | null;
}

export function createModel(options: ModelOptions): Model {
  if (ringSize(options.window) < 2) throw new RangeError('a window has at least one step');
  return {
    probeMs: options.leaseMs,
    ...options,
    budgets: new Map(),
    reservations: new SortedSet(),
    pods: new SortedSet(),
    grants: new Map(),
    epoch: null,
  };
}

export function budgetOf(model: Model, name: string): Budget {
  let budget = model.budgets.get(name);
  if (!budget) {
    budget = { rings: new Map(), purses: new Map(), slots: new SortedSet(), circuits: new Map(), cooldown: WARM };
    model.budgets.set(name, budget);
  }
  return budget;
}

export function ringOf(model: Model, { rings }: Budget, dimension: RateDimension): Ring {
  let ring = rings.get(dimension);
  if (!ring) {
    ring = new Ring(model.window);
    rings.set(dimension, ring);
  }
  return ring;
}

export function purseOf({ purses }: Budget, dimension: CostDimension): Purse {
  let purse = purses.get(dimension);
  if (!purse) {
    purse = new Purse(dimension);
    purses.set(dimension, purse);
  }
  return purse;
}

export function isCost(dimension: Dimension): dimension is CostDimension {
  return dimension === 'cost_day' || dimension === 'cost_month';
}

export function usedOf(model: Model, budget: Budget, dimension: Dimension, now: number): number {
  if (dimension === 'concurrency') return budget.slots.countAbove(now);
  if (isCost(dimension)) return purseOf(budget, dimension).used(now);
  return ringOf(model, budget, dimension).used(now);
}

/** Milliseconds until what is used is `room` or less; 0 if not known. */
export function waitOf(model: Model, budget: Budget, dimension: Dimension, room: number, now: number): number {
  if (dimension === 'concurrency') return 0;
  if (isCost(dimension)) return purseOf(budget, dimension).leftMs(now);
  return ringOf(model, budget, dimension).waitFor(room, now);
}

export function levelsOf(model: Model, budget: Budget, asks: readonly Ask[], now: number): Level[] {
  const levels = sized<Level>(asks.length);
  for (let i = 0; i < asks.length; i += 1) levels[i] = levelOf(model, budget, asks[i]!, now);
  return levels;
}

function levelOf(model: Model, budget: Budget, { dimension, limit }: Ask, now: number): Level {
  const used = usedOf(model, budget, dimension, now);
  return { dimension, limit, used, resetMs: used > 0 ? waitOf(model, budget, dimension, 0, now) : 0 };
}

/** Whether or not it fits. */
export function take(model: Model, budget: Budget, dimension: Dimension, amount: number, id: string, now: number): Charge {
  if (dimension === 'concurrency') {
    if (amount > 0) takeSlot(model, budget, id, now);
    return { dimension, index: 0, amount };
  }
  if (isCost(dimension)) {
    const purse = purseOf(budget, dimension);
    purse.add(amount, now);
    return { dimension, index: purse.period(now), amount };
  }
  const ring = ringOf(model, budget, dimension);
  ring.add(amount, now);
  return { dimension, index: ring.index(now), amount };
}

export function takeSlot(model: Model, { slots }: Budget, id: string, now: number): void {
  slots.dropUpTo(now);
  slots.add(id, now + model.leaseMs);
}

/** Rates and costs; to where it was taken from, if that still counts. */
export function giveBack(model: Model, budget: Budget, { dimension, index }: Charge, amount: number, now: number): void {
  if (dimension === 'concurrency') return;
  if (isCost(dimension)) purseOf(budget, dimension).giveBack(index, amount, now);
  else ringOf(model, budget, dimension).giveBack(index, amount, now);
}
