/** How this pod decides by itself: by its share of every limit, and never beyond what Redis last saw to be free. */
import type { Ledger } from './ledger.ts';
import * as local from './model.ts';
import { excuseShares, LastSeen } from './shares.ts';
import type { Ask, Candidate, Decision, Level, ReserveOptions, Subjects, Usage } from './types.ts';

export type AloneMode = 'share' | 'open' | 'closed';

export class Alone {
  readonly #ledger: Ledger;
  readonly #mode: AloneMode;
  readonly #seen: LastSeen;
  /** This pod's part of every limit, 0 to 1. */
  grant: number;

  constructor(ledger: Ledger, mode: AloneMode, windowMs: number, grant: number) {
    this.#ledger = ledger;
    this.#mode = mode;
    this.#seen = new LastSeen(windowMs);
    this.grant = grant;
  }

  decide(id: string, candidates: readonly Candidate[], options: ReserveOptions, now: number): Decision {
    const isOpen = this.#mode === 'open';
    const limited = candidates.map((candidate) => ({ ...candidate, asks: candidate.asks.map((ask) => this.#limited(candidate.budget, ask, now)) }));
    const decision = excuseShares(this.#ledger.decide(id, limited, isOpen ? { enforce: false } : options, now), candidates);
    return isOpen ? { ...decision, would: null } : decision;
  }

  /** What Redis decided: how full the budgets were. */
  learn(candidates: readonly Candidate[], { chosen, refusals, levels }: Decision, now: number): void {
    // Of a budget without room no figure comes; it is full.
    for (let i = 0; i < refusals.length; i += 1) {
      const { dimension, waitMs } = refusals[i]!;
      const { budget, asks } = candidates[i]!;
      const ask = asks.find((one) => one.dimension === dimension);
      if (ask) this.#note(budget, { dimension: ask.dimension, limit: ask.limit, used: ask.limit, resetMs: waitMs }, now);
    }
    const candidate = candidates[chosen];
    if (candidate) for (const level of levels) this.#note(candidate.budget, level, now);
  }

  /** This pod's own use, of its share. */
  usage(subjects: Subjects, now: number): Usage {
    const limited = [...subjects.budgets].map(([name, asks]) => [name, asks.map((ask) => this.#limited(name, ask, now))] as const);
    return { levels: local.usage(this.#ledger.own, new Map(limited), now), health: local.health(this.#ledger.own, subjects.models, now) };
  }

  /** The ask, with the limit that this pod keeps to. */
  #limited(budget: string, ask: Ask, now: number): Ask {
    if (this.#mode === 'open') return ask;
    return this.#mode === 'closed' ? { ...ask, limit: 0 } : this.#seen.share(budget, ask, this.grant, now);
  }

  #note(budget: string, level: Level, now: number): void {
    const own = local.used(this.#ledger.own, budget, level.dimension, now);
    // What was spent counts to the end of its day or month, not of a window.
    const isCost = level.dimension === 'cost_day' || level.dimension === 'cost_month';
    this.#seen.note(budget, level, own, this.grant, now, isCost && level.resetMs > 0 ? level.resetMs : undefined);
  }
}
