/** What the end of a call says of its model's health: the table that breaker and cooldown work by. */
import type { Report } from '../budgets/types.ts';
import type { Policy } from '../config/types.ts';
import type { Reason } from '../wire/reasons.ts';

/** It brought an answer. */
export const OK: Report = { kind: 'ok' };
/** It says nothing of the model: the caller left, or it was never sent. */
export const NEUTRAL: Report = { kind: 'neutral' };

const KINDS: Readonly<Record<Reason, Report['kind']>> = {
  // Its provider says "later", for all that use the same account.
  rate_limited: 'throttled',
  quota_exhausted: 'throttled',
  // It may be about to break, or broken.
  overloaded: 'failed',
  server_error: 'failed',
  timeout: 'failed',
  connection: 'failed',
  malformed_response: 'failed',
  // A key or a name that is dead is so for every request, until somebody puts it right.
  auth: 'failed',
  not_found: 'failed',
  // The request was at fault, and another one may do.
  context_window: 'neutral',
  content_policy: 'neutral',
  untranslatable: 'neutral',
  // Never sent.
  budget_requests: 'neutral',
  budget_tokens: 'neutral',
  budget_concurrency: 'neutral',
  budget_cost: 'neutral',
  app_budget: 'neutral',
  cooldown: 'neutral',
  circuit_open: 'neutral',
};

/**
 * No provider is kept away from for longer without being asked again: a quota may be raised, and a header may be wrong. One
 * request an hour is the price.
 */
export const LONGEST_AWAY_MS = 3_600_000;

/** @param reason undefined: the caller's own mistake */
export function reportOf(reason: Reason | undefined, retryAfterMs: number | undefined, breaker: Policy['breaker']): Report {
  const kind = reason === undefined ? 'neutral' : KINDS[reason];
  // An overloaded provider that says for how long is taken at its word; so is no other failure: a 500 with a Retry-After is a 500.
  if (kind === 'throttled' || (reason === 'overloaded' && isWait(retryAfterMs))) return throttled(retryAfterMs);
  return kind === 'failed' ? { kind, failures: breaker.failures, windowMs: breaker.window, openMs: breaker.open } : NEUTRAL;
}

function throttled(retryAfterMs: number | undefined): Report {
  return { kind: 'throttled', forMs: isWait(retryAfterMs) ? Math.min(LONGEST_AWAY_MS, Math.ceil(retryAfterMs)) : null };
}

/** Zero is no wait: it came with a refusal, and at once there would be another. */
function isWait(ms: number | undefined): ms is number {
  return ms !== undefined && ms > 0;
}
