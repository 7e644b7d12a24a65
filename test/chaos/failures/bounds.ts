/** How much a fault may let through at most, of the limits: what docs/budgets.md promises. */
import { INTERVALS } from '../../../src/budgets/intervals.ts';
import type { Fault, Fullest, Measured } from './measure.ts';
import { LIMITS, PODS } from './stage.ts';

/** Calls that one pod decided while another could not know of them yet: milliseconds' worth at every change. */
const UNSEEN = 2;
/** A place is taken again at once when it is free, so that others are out of date sooner. */
const UNSEEN_PLACES = 1;
/** Pods that are back within this of each other wait for each other; it is 1.2 retries, less what a look at the clock takes. */
const TOGETHER_MS = INTERVALS.retryMs;

export function mostAllowed({ apartMs, lostAgain }: Measured, { alone }: Fault): Fullest {
  // The shares of those that decide alone come on top of what Redis gives the others: of one, or of those that a busy machine held up.
  const late = apartMs > TOGETHER_MS || lostAgain ? (PODS - 1) / PODS : alone === 'one' ? 1 / PODS : 0;
  const calls = 1 + (PODS * UNSEEN) / LIMITS.requests + late;
  return { requests: calls, tokens: calls, concurrency: 1 + (PODS * UNSEEN_PLACES) / LIMITS.concurrency + late };
}

/** Redis decides, and knows everything. */
export function mostAllowedAfter(measured: Measured, fault: Fault): Fullest {
  return measured.lostAgain ? mostAllowed(measured, fault) : { requests: 1, tokens: 1, concurrency: 1 };
}
