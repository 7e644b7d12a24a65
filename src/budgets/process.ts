/** Budgets of one process, without a store. */
import { createModel, reserve, settle, usage } from './model.ts';
import type { Actual, Ask, Budgets, BudgetsState, Candidate, Decision, Level, WindowShape } from './types.ts';

/** Nothing beats here: who holds a reservation and who forgets it die together. A bound all the same, against leaks. */
export const FORGOTTEN_MS = 24 * 60 * 60 * 1_000;

export interface ProcessBudgetsOptions {
  readonly window: WindowShape;
  /** Milliseconds; need not be the time of day. */
  readonly clock: () => number;
}

/** As `Budgets`, with answers at once. */
export interface ProcessBudgets extends Budgets {
  reserve(id: string, candidates: readonly Candidate[]): Decision;
}

export function createProcessBudgets({ window, clock: given }: ProcessBudgetsOptions): ProcessBudgets {
  const clock = () => Math.floor(given());
  const model = createModel({ window, leaseMs: FORGOTTEN_MS, recordMs: FORGOTTEN_MS });
  const state: BudgetsState = { mode: 'process', up: false, degraded: false, pods: 1, lastError: null };
  return {
    reserve(id: string, candidates: readonly Candidate[]): Decision {
      return reserve(model, id, candidates, clock());
    },
    settle(id: string, actual: Actual): void {
      settle(model, id, actual, clock());
    },
    usage(budgets: ReadonlyMap<string, readonly Ask[]>): Promise<ReadonlyMap<string, readonly Level[]>> {
      return Promise.resolve(usage(model, budgets, clock()));
    },
    state: () => state,
    close: () => Promise.resolve(),
  };
}
