/** Budgets of one process, without a store. */
import { createModel, extend, forget, health, report, reserve, settle, usage } from './model.ts';
import { realTimers, type Timers } from './timers.ts';
import type { Actual, Budgets, BudgetsState, Candidate, Decision, Report, ReserveOptions, Subjects, Usage, WindowShape } from './types.ts';

/** Nothing beats here: who holds a reservation and who forgets it die together. A bound all the same, against leaks. */
export const FORGOTTEN_MS = 24 * 60 * 60 * 1_000;

/** As with Redis, where it is the lease. */
const PROBE_MS = 30_000;

/** How often followed calls are asked. */
const FOLLOW_MS = 1_000;

export interface ProcessBudgetsOptions {
  readonly window: WindowShape;
  /** Milliseconds since 1970: costs are per day and month. */
  readonly clock: () => number;
  readonly timers?: Timers;
}

/** As `Budgets`, with answers at once. */
export interface ProcessBudgets extends Budgets {
  reserve(id: string, candidates: readonly Candidate[], options?: ReserveOptions): Decision;
}

export function createProcessBudgets({ window, clock: given, timers = realTimers }: ProcessBudgetsOptions): ProcessBudgets {
  const clock = () => Math.floor(given());
  const model = createModel({ window, leaseMs: FORGOTTEN_MS, recordMs: FORGOTTEN_MS, probeMs: PROBE_MS });
  const state: BudgetsState = { mode: 'process', up: false, degraded: false, pods: 1, lastError: null };
  let cancel: (() => void) | undefined;

  const ask = (): void => {
    const now = clock();
    let isAsked = false;
    for (const [id, known] of model.reservations) {
      if (!known?.soFar) continue;
      extend(model, id, known.soFar(), now);
      isAsked = true;
    }
    cancel = isAsked ? timers.after(FOLLOW_MS, ask) : undefined;
  };

  return {
    reserve(id: string, candidates: readonly Candidate[], options?: ReserveOptions): Decision {
      const now = clock();
      forget(model, now);
      return reserve(model, id, candidates, now, options);
    },
    settle(id: string, actual: Actual, its?: Report): void {
      settle(model, id, actual, clock(), its);
    },
    report(id: string, its: Report): void {
      report(model, id, its, clock());
    },
    follow(id: string, soFar: () => Actual): void {
      const known = model.reservations.get(id);
      if (!known) return;
      known.soFar = soFar;
      cancel ??= timers.after(FOLLOW_MS, ask);
    },
    usage({ budgets, models }: Subjects): Promise<Usage> {
      const now = clock();
      return Promise.resolve({ levels: usage(model, budgets, now), health: health(model, models, now) });
    },
    unsettled: () => model.reservations.size,
    state: () => state,
    close(): Promise<void> {
      cancel?.();
      return Promise.resolve();
    },
  };
}
