/** The budget engine in force. An edit of `redis` brings a new one; what the old one reserved is settled there. */
import { FORGOTTEN_MS } from '../budgets/process.ts';
import type { Budgets } from '../budgets/types.ts';
import { after } from '../wire/after.ts';

/** How often a replaced engine is looked at; nobody waits for its end. */
const LOOK_MS = 1_000;

export interface BudgetsHolderOptions {
  /** A monotonic clock in ms. */
  readonly now: () => number;
  /** Runs once, later; answers how to call it off. */
  readonly after?: (ms: number, run: () => void) => () => void;
}

export class BudgetsHolder {
  private engine: Budgets;
  /** Replaced, and still needed by requests that began with them; each with how to call off the next look at it. */
  private readonly retired = new Map<Budgets, () => void>();
  private readonly closing = new Set<Promise<void>>();
  private readonly now: () => number;
  private readonly after: NonNullable<BudgetsHolderOptions['after']>;

  constructor(engine: Budgets, options: BudgetsHolderOptions) {
    this.engine = engine;
    this.now = options.now;
    this.after = options.after ?? after;
  }

  readonly current = (): Budgets => this.engine;

  /** No deadline says when the last request of the old engine ends: groups have their own, what is passed through has none. */
  replace(engine: Budgets): void {
    const old = this.engine;
    this.engine = engine;
    this.lookLater(old, this.now() + FORGOTTEN_MS);
  }

  async close(): Promise<void> {
    const { engine, retired } = this;
    for (const callOff of retired.values()) callOff();
    await Promise.all([engine.close(), ...[...retired.keys()].map((old) => old.close()), ...this.closing]);
  }

  /** @param until when what was never settled is waited for no longer */
  private lookLater(old: Budgets, until: number): void {
    const look = (): void => {
      if (old.unsettled() > 0 && this.now() < until) return this.lookLater(old, until);
      this.retired.delete(old);
      const closed = old.close().finally(() => this.closing.delete(closed));
      this.closing.add(closed);
    };
    this.retired.set(old, this.after(LOOK_MS, look));
  }
}
