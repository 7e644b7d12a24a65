/**
 * What this pod may use of each budget while it cannot ask: its grant of the limit, at least 1.
 * "At least 1" means that a limit below the number of pods is exceeded by up to pods - limit per window; the alternative
 * is that a small budget serves nobody.
 */
import type { Ask, Candidate, Decision, Dimension, Level, Refusal } from './types.ts';

/** @param grant the part of every limit that is this pod's, 0 to 1 */
export function shareOf(limit: number, grant: number): number {
  return Math.max(1, Math.floor(limit * grant));
}

export type Fullness = Pick<Level, 'dimension' | 'limit' | 'used'>;

interface Cap {
  most: number;
  until: number;
}

/**
 * What Redis said last of each dimension of each budget, as the most that this pod may hold of it without asking:
 * its own use then, and its part of the room that was left then. If each pod keeps to that, all together hold no more
 * than the limit, however often Redis comes and goes; after a whole window the plain share is as good.
 */
export class LastSeen {
  readonly #caps = new Map<string, Map<Dimension, Cap>>();
  readonly #windowMs: number;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /**
   * @param own what this pod held at that moment; @param used what all held
   * @param forMs how long it counts; a window if left out
   */
  note(budget: string, { dimension, limit, used }: Fullness, own: number, grant: number, now: number, forMs = this.#windowMs): void {
    let caps = this.#caps.get(budget);
    if (!caps) this.#caps.set(budget, (caps = new Map()));
    const most = own + Math.max(0, Math.floor((limit - used) * grant));
    const cap = caps.get(dimension);
    if (!cap) caps.set(dimension, { most, until: now + forMs });
    else {
      cap.most = most;
      cap.until = now + forMs;
    }
  }

  share(budget: string, ask: Ask, grant: number, now: number): Ask {
    const seen = this.#caps.get(budget)?.get(ask.dimension);
    const share = shareOf(ask.limit, grant);
    return { ...ask, limit: seen && seen.until > now ? Math.min(share, seen.most) : share };
  }
}

/** More than the share is not "never" when it is within the limit: it fits when Redis is back, nobody knows when. */
export function excuseShares(decision: Decision, candidates: readonly Candidate[]): Decision {
  const excuse = (refusal: Refusal, { asks }: Candidate): Refusal =>
    refusal.waitMs === -1 && asks.every(({ amount, limit }) => amount <= limit) ? { ...refusal, waitMs: 0 } : refusal;
  const refusals = decision.refusals.map((refusal, i) => excuse(refusal, candidates[i]!));
  return { ...decision, refusals, would: decision.would && excuse(decision.would, candidates[decision.chosen]!) };
}
