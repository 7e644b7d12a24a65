/**
 * What a budget engine promises. Two engines keep it: one in this process, one in Redis.
 * Limits travel with each call and are never stored, so an edited limit is in force at once and usage is kept.
 */

/**
 * One limited quantity of a budget, named as in the metrics' `budget` label. Rates are per window; concurrency is at one
 * time; costs are per day and month of UTC, by the store's clock, in whole nano-dollars (1e-9 US dollars: a price of three
 * decimals a million tokens is exact).
 */
export type Dimension = 'requests' | 'tokens' | 'input_tokens' | 'output_tokens' | 'concurrency' | 'cost_day' | 'cost_month';

/** One check of one candidate: `amount` more of `dimension` must fit under `limit`. */
export interface Ask {
  readonly dimension: Dimension;
  /** A whole number above 0, at most 2^53. */
  readonly limit: number;
  /** A whole number, 0 or more. */
  readonly amount: number;
}

/** One model of the chain, as the engine sees it: its health, a budget, and what the request would take from it. */
export interface Candidate {
  /** Whose health is looked at. */
  readonly model: string;
  /** The budget's name; models that name the same budget share one, and are kept out together when it is throttled. */
  readonly budget: string;
  /** Empty: the model has no limit and always has room. */
  readonly asks: readonly Ask[];
}

/** Known to be unwell: `cooldown` a provider said "later", `circuit_open` it failed too often. */
export type Block = 'cooldown' | 'circuit_open';

/** Why a candidate was passed over. */
export interface Refusal {
  readonly dimension: Dimension | Block;
  /**
   * Milliseconds until it would have room; -1 if never (the amount is larger than the limit), 0 if not known (concurrency;
   * a probe under way; more than this process's share while Redis is away).
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
  /** The chosen model's circuit is half open and this request is its probe. */
  readonly probe: boolean;
  /** Only where budgets are not enforced: why the chosen candidate would have been passed over. */
  readonly would: Refusal | null;
  /** Who decided: the shared Redis, or this process alone. */
  readonly by: 'redis' | 'process';
}

/** What a reservation turned out to use, by dimension. A dimension that is left out keeps what was reserved. */
export type Actual = Partial<Record<Dimension, number>>;

/** What a call says of its model's health; seen by all pods at their next decision. */
export type Report =
  /** It works. */
  | { readonly kind: 'ok' }
  /** It says nothing of the model: the caller left, the request was at fault. A probe may be made again at once. */
  | { readonly kind: 'neutral' }
  /** `failures` of these within `windowMs`, not outweighed by successes, open the circuit for `openMs`. */
  | { readonly kind: 'failed'; readonly failures: number; readonly windowMs: number; readonly openMs: number }
  /** The budget's provider asks to stay away; null: it did not say how long (1 s, doubled each time up to 60 s, until one succeeds). */
  | { readonly kind: 'throttled'; readonly forMs: number | null };

/** How a model is, for the status page and the metrics. */
export interface Health {
  readonly circuit: 'closed' | 'open' | 'half_open' | 'returning';
  /** Milliseconds until the cooldown is over, 0 if there is none. */
  readonly cooldownMs: number;
}

/** What the status page and the metrics ask for: every budget with its limits, every model with its budget. */
export interface Subjects {
  readonly budgets: ReadonlyMap<string, readonly Ask[]>;
  readonly models: ReadonlyMap<string, string>;
}

export interface Usage {
  readonly levels: ReadonlyMap<string, readonly Level[]>;
  readonly health: ReadonlyMap<string, Health>;
}

export interface ReserveOptions {
  /** False: a budget without room is charged all the same, and `would` says so. Unwell models are passed over in any case. */
  readonly enforce: boolean;
}

export interface Budgets {
  /**
   * Decides the whole chain at once: the first candidate that is well and whose every ask fits is charged, entirely; the
   * others not at all. Never rejects: an engine that cannot reach its store decides by its own rules for that.
   * @param id identity of the reservation; the same id again answers the same and charges nothing.
   */
  reserve(id: string, candidates: readonly Candidate[], options?: ReserveOptions): Decision | Promise<Decision>;
  /**
   * Once per reservation; a second call for the same id does nothing. Not waited for.
   * What was not used goes back to where it was taken from (if that still counts); what was used beyond
   * is charged now, whether or not it fits. Concurrency is always given back.
   */
  settle(id: string, actual: Actual, report?: Report): void;
  /** What is known of the model's health before the reservation ends (a stream's first content). */
  report(id: string, report: Report): void;
  /**
   * For a long call: asked at each beat what it has used so far. What is beyond the reservation is charged then, and a pod
   * that dies leaves its money at that figure. Ends with `settle`.
   */
  follow(id: string, soFar: () => Actual): void;
  usage(subjects: Subjects): Promise<Usage>;
  /** How many reservations are asked for or held. */
  unsettled(): number;
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
