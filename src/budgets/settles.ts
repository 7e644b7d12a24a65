/** Settles on their way to Redis: sent at once, kept while it is away, never waited for by a request. */
import type { Actual } from './types.ts';

export interface Settle {
  readonly id: string;
  /** The budgets that may have been charged. */
  readonly budgets: readonly string[];
  readonly actual: Actual;
  readonly at: number;
}

export interface SettlesOptions {
  readonly send: (settle: Settle) => Promise<unknown>;
  readonly isUp: () => boolean;
  readonly clock: () => number;
  /** Redis has forgotten reservations that are older; settling them would do nothing. */
  readonly maxAgeMs: number;
}

/** The oldest are dropped beyond this: their refund is lost, and so is their debt. */
const MOST_KEPT = 10_000;

/** Sent together when Redis is back; few enough that a reserve behind them is not late. */
const BATCH = 100;

export class Settles {
  readonly #options: SettlesOptions;
  readonly #underWay = new Set<Promise<boolean>>();
  #kept: Settle[] = [];
  #draining = false;

  constructor(options: SettlesOptions) {
    this.#options = options;
  }

  push(settle: Settle): void {
    if (this.#options.isUp()) void this.#attempt(settle);
    else this.#keep(settle);
  }

  /** Tries even while Redis is away: on a connection that still stands, it runs behind what was sent before. */
  pushBehind(settle: Settle): void {
    void this.#attempt(settle);
  }

  /** Sends what was kept. */
  async drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    const oldest = this.#options.clock() - this.#options.maxAgeMs;
    this.#kept = this.#kept.filter(({ at }) => at > oldest);
    let isSent = true;
    while (isSent && this.#kept.length > 0 && this.#options.isUp()) {
      const sent = await Promise.all(this.#kept.splice(0, BATCH).map((settle) => this.#attempt(settle)));
      isSent = !sent.includes(false);
    }
    this.#draining = false;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  /** Never rejects: what failed is kept. */
  #attempt(settle: Settle): Promise<boolean> {
    const attempt = this.#options.send(settle).then(
      () => true,
      () => {
        this.#keep(settle);
        return false;
      },
    );
    this.#underWay.add(attempt);
    void attempt.finally(() => this.#underWay.delete(attempt));
    return attempt;
  }

  #keep(settle: Settle): void {
    this.#kept.push(settle);
    if (this.#kept.length > MOST_KEPT) this.#kept.shift();
  }
}
