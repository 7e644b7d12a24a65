/** What a pod tells Redis, many of these in one script call, and what comes back. */
import type { Actual, Candidate, Decision, Dimension, Report } from './types.ts';

/** A reservation not decided: Redis is `learning` what the pods used while it was empty, or is not the one they knew. */
export type Undecided = 'learning' | 'other_epoch';

export type RateDimension = Exclude<Dimension, 'concurrency' | 'cost_day' | 'cost_month'>;
export type CostDimension = 'cost_day' | 'cost_month';

/** What a pod decided without Redis, of one budget. */
export interface AssertedUse {
  /** Milliseconds ago, amount. What is too old to count is left out. */
  readonly rates: Readonly<Partial<Record<RateDimension, readonly (readonly [ageMs: number, amount: number])[]>>>;
  /** Charged to the day and the month that now is. */
  readonly costs: Readonly<Partial<Record<CostDimension, number>>>;
  /** Reservations that hold a concurrency slot. */
  readonly slots: readonly string[];
}

/** `budgets`: those that the reservation may have been charged to. An id never begins with "@". */
export type Op =
  | {
      readonly kind: 'reserve';
      readonly id: string;
      readonly candidates: readonly Candidate[];
      /** False: a budget without room is charged all the same. */
      readonly enforce: boolean;
    }
  | {
      readonly kind: 'settle';
      readonly id: string;
      readonly budgets: readonly string[];
      readonly actual: Actual;
      readonly report?: Report | undefined;
    }
  | { readonly kind: 'report'; readonly id: string; readonly budgets: readonly string[]; readonly report: Report }
  /** `actual`: used so far. */
  | { readonly kind: 'extend'; readonly id: string; readonly budgets: readonly string[]; readonly actual: Actual }
  /** The pod that made it is gone. Does nothing while the reservation's lease still runs. */
  | { readonly kind: 'orphan'; readonly id: string; readonly budgets: readonly string[] }
  | { readonly kind: 'assert'; readonly budget: string; readonly use: AssertedUse };

/** Of a reserve: what was decided, or why nothing was. Of the others: whether there was such a reservation. */
export type OpResult = Decision | Undecided | boolean;

/** A reservation that is under way, for `beat`. */
export interface Held {
  readonly id: string;
  /** Whose concurrency slot it holds; null if none. */
  readonly slotOf: string | null;
}

export interface Orphan {
  readonly id: string;
  readonly budget: string;
}

export interface BeatAnswer {
  /** Live pods. */
  readonly pods: number;
  /** The part of every limit, in millionths, that this pod may use by itself once Redis is away. */
  readonly grant: number;
  /** Changes when Redis was emptied. */
  readonly epoch: string;
  /** How long Redis still takes no decisions. */
  readonly learningMs: number;
  /** The newest beat of all, by Redis' clock. */
  readonly newest: number;
  /** Reservations whose pod has not renewed them. */
  readonly orphans: readonly Orphan[];
}

/** What a beat offers to a Redis that has no epoch. */
export interface NewEpoch {
  readonly id: string;
  /** How long other pods get to tell their use before Redis decides; 0 by a pod that never knew an epoch. */
  readonly learnMs: number;
  /** The newest beat that this pod knows of. A Redis that has none so new was restored from older data, and is as good as empty. */
  readonly after?: number;
}
