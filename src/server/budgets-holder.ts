/** The budget engine in force. An edit of `redis` brings a new one; what the old one reserved is settled there. */
import type { Budgets } from '../budgets/types.ts';

export class BudgetsHolder {
  private engine: Budgets;
  private readonly retired = new Set<Promise<void>>();

  constructor(engine: Budgets) {
    this.engine = engine;
  }

  readonly current = (): Budgets => this.engine;

  /** @param afterMs how long requests of the old engine may still run */
  replace(engine: Budgets, afterMs: number): void {
    const old = this.engine;
    this.engine = engine;
    const timer = setTimeout(() => {
      const closing = old.close().finally(() => this.retired.delete(closing));
      this.retired.add(closing);
    }, afterMs);
    timer.unref();
  }

  async close(): Promise<void> {
    await Promise.all([this.engine.close(), ...this.retired]);
  }
}
