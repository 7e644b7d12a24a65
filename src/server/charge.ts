import type { Actual, Budgets, Decision, Report } from '../budgets/types.ts';
import { ended, started } from '../decide/gauge.ts';
import { OK } from '../decide/report.ts';
import type { Target } from './runtime.ts';

/** A decision that was asked for. */
export interface Question {
  readonly id: string;
  readonly budgets: Budgets;
  readonly asked: readonly Target[];
  /** It is about one model beside another that is being asked. */
  readonly beside: boolean;
}

/** A call whose reservation is held: by whom it is answered and what it may be charged. */
export class Charge {
  readonly target: Target;
  readonly decision: Decision;
  private readonly question: Question;
  private isSettled = false;

  constructor(target: Target, decision: Decision, question: Question) {
    this.target = target;
    this.decision = decision;
    this.question = question;
    started(target.gauge);
  }

  /** The first time counts. */
  settle(actual: Actual, report: Report): void {
    if (this.isSettled) return;
    this.isSettled = true;
    ended(this.target.gauge);
    this.question.budgets.settle(this.question.id, actual, report);
  }

  /** Its answer has begun: a probe need not wait for its end. */
  begun(): void {
    if (this.decision.probe) this.question.budgets.report(this.question.id, OK);
  }

  /** A long answer is charged while it runs. */
  follow(soFar: () => Actual): void {
    this.question.budgets.follow(this.question.id, soFar);
  }
}
