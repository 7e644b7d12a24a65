/** The budget engine in force. An edit of `redis` brings a new one; what the old one reserved is settled there. */
import type { Budgets } from '../budgets/types.ts';

export class BudgetsHolder {
  private engine: Budgets;
  /** Replaced, and perhaps still needed by requests that began with them. */
  private readonly retired = new Set<Budgets>();

  constructor(engine: Budgets) {
    this.engine = engine;
  }

  readonly current = (): Budgets => this.engine;

  /** @param afterMs how long requests of the old engine may still run */
  replace(engine: Budgets, afterMs: number): void {
    const old = this.engine;
    this.engine = engine;
    this.retired.add(old);
    const timer = setTimeout(() => {
      this.retired.delete(old);
      void old.close();
    }, afterMs);
    timer.unref();
  }

  async close(): Promise<void> {
    await Promise.all([this.engine, ...this.retired].map((engine) => engine.close()));
  }
}
