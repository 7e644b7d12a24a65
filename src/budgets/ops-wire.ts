/** How operations are written for apply.lua and its answers read (the format is told there). Plain loops: every request passes here. */
import { knownAmount, wholeAmount } from './amounts.ts';
import type { AssertedUse, CostDimension, Op, OpResult, RateDimension } from './ops.ts';
import type { Actual, Candidate, Decision, Dimension, Health, Level, Refusal, Report } from './types.ts';

export type Arg = string | number;

/** The place of a budget among the keys of the call. */
export type BudgetIndex = (budget: string) => number;

export const LETTERS: Readonly<Record<Dimension, string>> = {
  requests: 'r',
  tokens: 't',
  input_tokens: 'i',
  output_tokens: 'o',
  concurrency: 'c',
  cost_day: 'd',
  cost_month: 'm',
};

/** As usage.lua numbers them. */
export const CIRCUITS: readonly Health['circuit'][] = ['closed', 'open', 'half_open', 'returning'];

/** What is settled by amount; of concurrency there is nothing to say. */
const SETTLED = ['requests', 'tokens', 'input_tokens', 'output_tokens', 'cost_day', 'cost_month'] as const;

const KINDS = { reserve: 'r', settle: 's', report: 'p', extend: 'e', orphan: 'o', assert: 'a' } as const;

export class OpWriter {
  readonly #args: Arg[];
  readonly #indexOf: BudgetIndex;

  constructor(args: Arg[], indexOf: BudgetIndex) {
    this.#args = args;
    this.#indexOf = indexOf;
  }

  write(op: Op): void {
    const args = this.#args;
    args.push(KINDS[op.kind], 0);
    const start = args.length;
    if (op.kind === 'reserve') this.#candidates(op.candidates, op.enforce);
    else if (op.kind === 'assert') this.#use(op.budget, op.use);
    else {
      args.push(op.budgets.length);
      for (const budget of op.budgets) args.push(this.#indexOf(budget));
      if (op.kind === 'settle' || op.kind === 'extend') this.#actual(op.actual);
      if (op.kind === 'settle' || op.kind === 'report') this.#report(op.report);
    }
    args[start - 1] = args.length - start;
  }

  #candidates(candidates: readonly Candidate[], enforce: boolean): void {
    const args = this.#args;
    args.push(enforce ? 1 : 0, candidates.length);
    for (const { model, budget, asks } of candidates) {
      args.push(model, this.#indexOf(budget), asks.length);
      for (const { dimension, limit, amount } of asks) args.push(LETTERS[dimension], limit, wholeAmount(amount));
    }
  }

  #actual(actual: Actual): void {
    const args = this.#args;
    const place = args.push(0) - 1;
    for (const dimension of SETTLED) {
      const amount = knownAmount(actual, dimension);
      if (amount !== undefined) args.push(LETTERS[dimension], amount);
    }
    args[place] = (args.length - place - 1) / 2;
  }

  #report(report: Report | undefined): void {
    if (!report) this.#args.push('-');
    else if (report.kind === 'ok') this.#args.push('o');
    else if (report.kind === 'neutral') this.#args.push('n');
    else if (report.kind === 'throttled') this.#args.push('t', report.forMs === null ? -1 : wholeAmount(report.forMs));
    else this.#args.push('f', report.failures, wholeAmount(report.windowMs), wholeAmount(report.openMs));
  }

  #use(budget: string, { rates, costs, slots }: AssertedUse): void {
    const args = this.#args;
    args.push(this.#indexOf(budget));
    const place = args.push(0) - 1;
    for (const dimension of Object.keys(rates) as RateDimension[])
      for (const [age, amount] of rates[dimension]!) args.push(LETTERS[dimension], wholeAmount(age), wholeAmount(amount));
    args[place] = (args.length - place - 1) / 3;
    const dimensions = Object.keys(costs) as CostDimension[];
    args.push(dimensions.length);
    for (const dimension of dimensions) args.push(LETTERS[dimension], wholeAmount(costs[dimension]!));
    args.push(slots.length);
    for (const id of slots) args.push(id);
  }
}

const REPLAYED = 1;
const PROBE = 2;
const WOULD = 4;

export class OpReader {
  readonly #answers: readonly number[];
  #at = 0;

  constructor(answers: readonly number[]) {
    this.#answers = answers;
  }

  read(op: Op): OpResult {
    const first = this.#next();
    if (op.kind !== 'reserve') return first === 1;
    if (first === -1) return 'learning';
    if (first === -2) return 'other_epoch';
    return this.#decision(op.candidates, first);
  }

  #decision(candidates: readonly Candidate[], flags: number): Decision {
    const chosen = this.#next();
    const refusals: Refusal[] = [];
    for (let i = 0, count = this.#next(); i < count; i += 1) refusals.push(this.#refusal(candidates[i]));
    const would = (flags & WOULD) === 0 ? null : this.#refusal(candidates[chosen]);
    const asks = candidates[chosen]?.asks;
    const levels: Level[] = [];
    for (let i = 0, count = this.#next(); i < count; i += 1) {
      const used = this.#next();
      const resetMs = this.#next();
      const ask = asks?.[i];
      if (ask) levels.push({ dimension: ask.dimension, limit: ask.limit, used, resetMs });
    }
    return { chosen, refusals, levels, replayed: (flags & REPLAYED) !== 0, probe: (flags & PROBE) !== 0, would, by: 'redis' };
  }

  /** A replay may come with other candidates than the first call had: then its reason has no name here. */
  #refusal(candidate: Candidate | undefined): Refusal {
    const which = this.#next();
    const waitMs = this.#next();
    if (which === -1) return { dimension: 'cooldown', waitMs };
    if (which === -2) return { dimension: 'circuit_open', waitMs };
    return { dimension: candidate?.asks[which]?.dimension ?? 'requests', waitMs };
  }

  #next(): number {
    return this.#answers[this.#at++]!;
  }
}
