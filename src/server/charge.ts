import type { Actual, Budgets, Decision, Report } from '../budgets/types.ts';
import { ended, started } from '../decide/gauge.ts';
import { OK } from '../decide/report.ts';
import type { Target } from './runtime.ts';

/** A call whose reservation is held: by whom it is answered and what it may be charged. */
export class Charge {
  readonly target: Target;
  readonly decision: Decision;
  private readonly budgets: Budgets;
  private readonly id: string;

  constructor(target: Target, decision: Decision, budgets: Budgets, id: string) {
    this.target = target;
    this.decision = decision;
    this.budgets = budgets;
    this.id = id;
    started(target.gauge);
  }

  settle(actual: Actual, report: Report): void {
    ended(this.target.gauge);
    this.budgets.settle(this.id, actual, report);
  }

  /** Its answer has begun: a probe need not wait for its end. */
  begun(): void {
    if (this.decision.probe) this.budgets.report(this.id, OK);
  }

  /** A long answer is charged while it runs. */
  follow(soFar: () => Actual): void {
    this.budgets.follow(this.id, soFar);
  }
}
