/** What follows after a call failed: the one place where reasons, limits and the configuration meet. */
import type { Reason } from '../wire/reasons.ts';
import { wholeMs, type Patience } from './waits.ts';

export interface Failed {
  /** Undefined: the caller's own mistake. */
  readonly reason: Reason | undefined;
  readonly retryAfterMs: number | undefined;
  /** It ran into a time limit of ours before it said anything. */
  readonly silent: boolean;
  /** The first model of the plan; `wait` is for no other. */
  readonly primary: boolean;
  /** How often this model was asked again in this request. */
  readonly retriesHere: number;
  /** Upstream calls so far, this one among them. */
  readonly attempts: number;
  /** Until the request's deadline. */
  readonly timeLeftMs: number;
  /** What was spent on waiting because it was told to (`wait` steps), back-off not counted. */
  readonly waitedMs: number;
  /** Another model of the plan may still be asked. */
  readonly hasNext: boolean;
  /** Configured, and not used yet. */
  readonly fallbacks: { readonly context: boolean; readonly content: boolean };
}

export type Step =
  /** The same model again, after a pause of our own. */
  | { readonly do: 'retry'; readonly afterMs: number }
  /** The same model again, when its provider said; the time counts as waited. */
  | { readonly do: 'wait'; readonly forMs: number }
  /** The next model of the plan; this one is not asked again. */
  | { readonly do: 'next' }
  /** The models that are configured for this kind of failure, instead of the rest of the plan. */
  | { readonly do: 'switch'; readonly to: 'context' | 'content' }
  | { readonly do: 'giveUp' };

const GIVE_UP: Step = { do: 'giveUp' };
const NEXT: Step = { do: 'next' };

/**
 * `told`: its provider says "later", and trying sooner is no use. `passing`: it may be over in a moment. `lasting`: so it
 * is for every request, until somebody puts it right.
 */
const KINDS: Readonly<Record<Reason, 'told' | 'passing' | 'lasting' | 'context' | 'content'>> = {
  rate_limited: 'told',
  quota_exhausted: 'told',
  overloaded: 'passing',
  server_error: 'passing',
  timeout: 'passing',
  connection: 'passing',
  malformed_response: 'passing',
  auth: 'lasting',
  not_found: 'lasting',
  untranslatable: 'lasting',
  context_window: 'context',
  content_policy: 'content',
  // Never reasons of a call; a plan goes on past them all the same.
  budget_requests: 'lasting',
  budget_tokens: 'lasting',
  budget_concurrency: 'lasting',
  budget_cost: 'lasting',
  app_budget: 'lasting',
  cooldown: 'lasting',
  circuit_open: 'lasting',
};

/** A throttle that does not say for how long: as the engine's cooldown, which would not let a try pass sooner. */
const UNTOLD_MS = 1000;
const MOST_DOUBLINGS = 30;

/** @param random from 0 up to 1 */
export function stepAfter(failed: Failed, policy: Patience, random: number): Step {
  const { reason, attempts, timeLeftMs } = failed;
  if (reason === undefined || attempts >= policy.maxAttempts || timeLeftMs <= 0) return GIVE_UP;
  const kind = KINDS[reason];
  switch (kind) {
    case 'context':
    case 'content':
      return failed.fallbacks[kind] ? { do: 'switch', to: kind } : GIVE_UP;
    case 'lasting':
      return onward(failed);
    case 'told':
      return afterTold(failed, policy);
    case 'passing':
      // Who says when is taken at its word, whatever else went wrong.
      return isWait(failed.retryAfterMs) ? afterTold(failed, policy) : afterPassing(failed, policy, random);
  }
}

function onward({ hasNext }: Failed): Step {
  return hasNext ? NEXT : GIVE_UP;
}

/** Diverts at once, unless the primary is worth the wait or nobody else can serve. */
function afterTold(failed: Failed, { retry, wait }: Patience): Step {
  const { reason, retryAfterMs, retriesHere, timeLeftMs, waitedMs } = failed;
  const preferred = failed.primary ? wait : 0;
  let forMs: number;
  let limitMs = failed.hasNext ? preferred : Math.max(preferred, retry.honourRetryAfter);
  if (isWait(retryAfterMs)) forMs = wholeMs(retryAfterMs);
  else {
    // Nobody knows: no reason to prefer it to another model, and money does not come back in a second.
    if (failed.hasNext || reason === 'quota_exhausted') return onward(failed);
    forMs = UNTOLD_MS * 2 ** Math.min(retriesHere, MOST_DOUBLINGS);
    limitMs = retry.honourRetryAfter;
  }
  return forMs <= limitMs - waitedMs && forMs < timeLeftMs ? { do: 'wait', forMs } : onward(failed);
}

/** Full jitter (AWS, "Exponential Backoff And Jitter"): clients that failed together do not come back together. */
function afterPassing(failed: Failed, { retry }: Patience, random: number): Step {
  const { retriesHere, timeLeftMs } = failed;
  // It would be as silent again, and the app has waited for it once.
  if (failed.silent || retriesHere >= retry.attempts) return onward(failed);
  const afterMs = random * Math.min(retry.maxBackoff, retry.backoff * 2 ** Math.min(retriesHere, MOST_DOUBLINGS));
  return afterMs < timeLeftMs ? { do: 'retry', afterMs } : onward(failed);
}

/** Zero is no wait: it came with a refusal, and at once there would be another. */
function isWait(ms: number | undefined): ms is number {
  return ms !== undefined && ms > 0;
}
