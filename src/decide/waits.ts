/** Waiting for a model that was not asked: its budget has no room, or its provider asked to be left alone. */
import type { Policy } from '../config/types.ts';
import type { Reason } from '../wire/reasons.ts';

/** What these rules, and those after a failure (policy.ts), read of a policy. */
export type Patience = Pick<Policy, 'retry' | 'maxAttempts' | 'wait'>;

export interface Refused {
  readonly reason: Reason;
  /** Until it may have room; undefined not known, negative never for this request. */
  readonly waitMs?: number | undefined;
}

export interface NothingOpen {
  /** Of the models that may still be asked: one that failed and was left does not count. */
  readonly refusals: readonly Refused[];
  readonly timeLeftMs: number;
  readonly waitedMs: number;
  readonly attempts: number;
}

export type Waiting = { readonly do: 'wait'; readonly forMs: number } | { readonly do: 'giveUp' };

/**
 * Room comes back to these by itself. Not to an open circuit: it is there so that nobody waits for a model that is down,
 * and when it opens, one request may try.
 */
const COMES_BACK: ReadonlySet<Reason> = new Set<Reason>(['budget_requests', 'budget_tokens', 'budget_concurrency', 'budget_cost', 'app_budget', 'cooldown']);

/** No model of the plan is open: wait for the first one to be so, or not at all. */
export function stepWhenNothingOpen({ refusals, timeLeftMs, waitedMs, attempts }: NothingOpen, { retry, maxAttempts }: Patience): Waiting {
  const soonest = Math.min(...refusals.map(waitFor));
  const fits = attempts < maxAttempts && soonest <= retry.honourRetryAfter - waitedMs && soonest < timeLeftMs;
  return fits ? { do: 'wait', forMs: soonest } : { do: 'giveUp' };
}

/**
 * `wait`: the primary has no room but will have it soon, and is worth the wait although another model could serve now.
 * Asked before anything else while the primary is first in line. @returns how long to wait for it; 0: do not
 */
export function waitForPrimary(refusal: Refused, waitedMs: number, timeLeftMs: number, { wait }: Pick<Patience, 'wait'>): number {
  const forMs = waitFor(refusal);
  return forMs <= wait - waitedMs && forMs < timeLeftMs ? forMs : 0;
}

function waitFor({ reason, waitMs }: Refused): number {
  return waitMs === undefined || waitMs < 0 || !COMES_BACK.has(reason) ? Infinity : wholeMs(waitMs);
}

/** Rounded up, so that nobody comes a moment too early; at least one, so that nobody asks in a circle. */
export function wholeMs(ms: number): number {
  return Math.max(1, Math.ceil(ms));
}
