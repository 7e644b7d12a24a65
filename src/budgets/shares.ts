/**
 * What this process may use of each budget while it cannot ask: limit / pods, at least 1.
 * "At least 1" means that a limit below the number of pods is exceeded by up to pods - limit per window; the alternative
 * is that a small budget serves nobody. Who is ranked out of such a budget belongs to the outage work.
 */
import type { Ask, Candidate, Decision, Dimension } from './types.ts';

export function shareOf(limit: number, pods: number): number {
  return Math.max(1, Math.floor(limit / Math.max(1, pods)));
}

/**
 * What Redis said last of each dimension of each budget, as the most that this process may hold of it without asking:
 * its own use then, and its part of the room that was left then. If each process keeps to that, all together hold no more
 * than the limit, however often Redis comes and goes; after a whole window the plain share is as good.
 */
export class LastSeen {
  readonly #caps = new Map<string, { readonly most: number; readonly until: number }>();
  readonly #windowMs: number;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** @param own what this process held at that moment; @param used what all held */
  note(budget: string, dimension: Dimension, limit: number, used: number, own: number, pods: number, now: number): void {
    const most = own + Math.max(0, Math.floor((limit - used) / Math.max(1, pods)));
    this.#caps.set(`${dimension} ${budget}`, { most, until: now + this.#windowMs });
  }

  share(budget: string, ask: Ask, pods: number, now: number): Ask {
    const seen = this.#caps.get(`${ask.dimension} ${budget}`);
    const share = shareOf(ask.limit, pods);
    return { ...ask, limit: seen && seen.until > now ? Math.min(share, seen.most) : share };
  }
}

/** More than the share is not "never" when it is within the limit: it fits when Redis is back, nobody knows when. */
export function excuseShares(decision: Decision, candidates: readonly Candidate[]): Decision {
  const refusals = decision.refusals.map((refusal, index) => {
    const fits = (ask: Ask) => ask.amount <= ask.limit;
    return refusal.waitMs === -1 && candidates[index]!.asks.every(fits) ? { ...refusal, waitMs: 0 } : refusal;
  });
  return { ...decision, refusals };
}
