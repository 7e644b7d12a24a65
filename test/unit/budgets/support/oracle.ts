/** The model behind the scripts' interface: what Redis must answer. */
import * as model from '../../../../src/budgets/model.ts';
import type { BeatAnswer, Held, NewEpoch, Op, OpResult, Undecided } from '../../../../src/budgets/ops.ts';
import type { Subjects, Usage } from '../../../../src/budgets/types.ts';

export class Oracle {
  readonly model: model.Model;

  constructor(options: model.ModelOptions) {
    this.model = model.createModel(options);
  }

  apply(ops: readonly Op[], epoch: string, now: number): OpResult[] {
    return ops.map((op) => this.#run(op, epoch, now));
  }

  beat(pod: string, podMs: number, held: readonly Held[], newEpoch: NewEpoch, now: number): BeatAnswer {
    return model.beat(this.model, pod, podMs, held, now, newEpoch);
  }

  usage({ budgets, models }: Subjects, now: number): Usage {
    return { levels: model.usage(this.model, budgets, now), health: model.health(this.model, models, now) };
  }

  /** Redis lost the hash of the reservations, and with it the epoch. */
  loseRecords(): void {
    const { reservations } = this.model;
    const leases = [...reservations.keys()];
    for (const id of leases) reservations.add(id, reservations.score(id)!, undefined);
    this.model.epoch = null;
  }

  /** How many reservations are remembered; of those that were lost, only the lease is. */
  get records(): number {
    return [...this.model.reservations.values()].filter((known) => known !== undefined).length;
  }

  #run(op: Op, epoch: string, now: number): OpResult {
    if (op.kind === 'reserve') {
      const { id, candidates, enforce } = op;
      return this.#undecided(epoch, now) ?? { ...model.reserve(this.model, id, candidates, now, { enforce }), by: 'redis' };
    }
    if (op.kind === 'assert') {
      model.assertUse(this.model, op.budget, op.use, now);
      return true;
    }
    const known = this.model.reservations.get(op.id);
    if (!known || !op.budgets.includes(known.budget)) return false;
    if (op.kind === 'settle') return model.settle(this.model, op.id, op.actual, now, op.report);
    if (op.kind === 'report') return model.report(this.model, op.id, op.report, now);
    if (op.kind === 'extend') return model.extend(this.model, op.id, op.actual, now);
    return model.orphan(this.model, op.id, now);
  }

  #undecided(expected: string, now: number): Undecided | undefined {
    const { epoch } = this.model;
    if (expected !== '' && epoch?.id !== expected) return 'other_epoch';
    return epoch && now < epoch.learningUntil ? 'learning' : undefined;
  }
}
