/**
 * What a budget engine promises. Two engines keep it: one in this process, one in Redis.
 * Limits travel with each call and are never stored, so an edited limit is in force at once and usage is kept.
 */

/** One limited quantity of a budget, named as in the metrics' `budget` label. */
export type Dimension = 'requests' | 'tokens' | 'input_tokens' | 'output_tokens' | 'concurrency';

/** One check of one candidate: `amount` more of `dimension` must fit under `limit` within the window. */
export interface Ask {
  readonly dimension: Dimension;
  /** Per window for rates; at one time for concurrency. A whole number above 0. */
  readonly limit: number;
  /** A whole number, 0 or more. */
  readonly amount: number;
}

/** One model of the chain, as the engine sees it: a budget and what the request would take from it. */
export interface Candidate {
  /** The budget's name; models that name the same budget share one. */
  readonly budget: string;
  /** Empty: the model has no limit and always has room. */
  readonly asks: readonly Ask[];
}

/** Why a candidate was passed over. */
export interface Refusal {
  readonly dimension: Dimension;
  /**
   * Milliseconds until it would have room; -1 if never (the amount is larger than the limit), 0 if not known (concurrency;
   * more than this process's share while Redis is away).
   */
  readonly waitMs: number;
}

/** How full one dimension is after the decision. */
export interface Level {
  readonly dimension: Dimension;
  readonly limit: number;
  readonly used: number;
  /** Milliseconds until the dimension is empty again if nothing more is taken; 0 for concurrency (not known). */
  readonly resetMs: number;
}

export interface Decision {
  /** Index of the first candidate with room, charged already; -1 if none has. */
  readonly chosen: number;
  /** One per candidate before `chosen` (all of them if none was chosen), in order. */
  readonly refusals: readonly Refusal[];
  /** The chosen candidate's dimensions, in the order of its asks; empty if none was chosen. */
  readonly levels: readonly Level[];
  /** The same id had been decided before: nothing was charged this time. */
  readonly replayed: boolean;
  /** Who decided: the shared Redis, or this process alone. */
  readonly by: 'redis' | 'process';
}

/** What a reservation turned out to use, by dimension. A dimension that is left out keeps what was reserved. */
export type Actual = Partial<Record<Dimension, number>>;

export interface Budgets {
  /**
   * Decides the whole chain at once: the first candidate whose every ask fits is charged, entirely; the others not at all.
   * Never rejects: an engine that cannot reach its store decides by its own rules for that.
   * @param id identity of the reservation; the same id again answers the same and charges nothing.
   */
  reserve(id: string, candidates: readonly Candidate[]): Decision | Promise<Decision>;
  /**
   * Once per reservation; a second call for the same id does nothing. Not waited for.
   * What was not used goes back to where it was taken from (if the window still holds it); what was used beyond
   * is charged now, whether or not it fits. Concurrency is always given back.
   */
  settle(id: string, actual: Actual): void;
  /** Current use of the named budgets, for the status page and the metrics. */
  usage(budgets: ReadonlyMap<string, readonly Ask[]>): Promise<ReadonlyMap<string, readonly Level[]>>;
  state(): BudgetsState;
  /** Waits for settles under way, then lets go of the store. */
  close(): Promise<void>;
}

export interface BudgetsState {
  readonly mode: 'process' | 'redis';
  /** Redis answers; always false in process mode. */
  readonly up: boolean;
  /** Decisions are made without the shared store although one is configured. */
  readonly degraded: boolean;
  /** Processes that share the budgets, as last seen (1 in process mode). */
  readonly pods: number;
  readonly lastError: string | null;
}

export type { WindowShape } from '../wire/window.ts';
