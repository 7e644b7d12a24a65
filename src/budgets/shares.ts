/**
 * What this process may use of each budget while it cannot ask: limit / pods, at least 1.
 * "At least 1" means that a limit below the number of pods is exceeded by up to pods - limit per window; the alternative
 * is that a small budget serves nobody. Who is ranked out of such a budget belongs to the outage work.
 */
import type { Ask, Candidate, Decision } from './types.ts';

export function shareOf(limit: number, pods: number): number {
  return Math.max(1, Math.floor(limit / Math.max(1, pods)));
}

export function shareAsk(ask: Ask, pods: number): Ask {
  return { ...ask, limit: shareOf(ask.limit, pods) };
}

export function shareCandidates(candidates: readonly Candidate[], pods: number): Candidate[] {
  return candidates.map(({ budget, asks }) => ({ budget, asks: asks.map((ask) => shareAsk(ask, pods)) }));
}

/** More than the share is not "never" when it is within the limit: it fits when Redis is back, nobody knows when. */
export function excuseShares(decision: Decision, candidates: readonly Candidate[]): Decision {
  const refusals = decision.refusals.map((refusal, index) => {
    const fits = (ask: Ask) => ask.amount <= ask.limit;
    return refusal.waitMs === -1 && candidates[index]!.asks.every(fits) ? { ...refusal, waitMs: 0 } : refusal;
  });
  return { ...decision, refusals };
}
