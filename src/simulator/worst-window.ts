/** The busiest span of a given length, exactly: two pointers over the times. */
import type { WorstWindow } from './types.ts';

export type Arrival = { at: number; reservedTokens: number };

/**
 * The span is half-open, [t, t + windowMs): two calls exactly one window apart never share one.
 * A busiest span can always be moved to begin at a call, so only those are tried.
 */
export function worstWindow(arrivals: readonly Arrival[], windowMs: number): WorstWindow {
  const sorted = isSorted(arrivals) ? arrivals : [...arrivals].sort((a, b) => a.at - b.at);
  let first = 0;
  let tokensInside = 0;
  const worst = { calls: 0, tokens: 0 };
  for (let last = 0; last < sorted.length; last++) {
    const newest = sorted[last]!;
    tokensInside += newest.reservedTokens;
    while (newest.at - sorted[first]!.at >= windowMs && first < last) {
      tokensInside -= sorted[first]!.reservedTokens;
      first++;
    }
    worst.calls = Math.max(worst.calls, last - first + 1);
    worst.tokens = Math.max(worst.tokens, tokensInside);
  }
  return worst;
}

function isSorted(arrivals: readonly Arrival[]): boolean {
  return arrivals.every((arrival, i) => i === 0 || arrivals[i - 1]!.at <= arrival.at);
}
