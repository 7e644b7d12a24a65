/** How operations are written for apply.lua and its answers read (the format is told there). Plain loops: every request passes here. */
import { sized } from '../wire/sized.ts';
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

const REPORTS = { ok: 'o', neutral: 'n', throttled: 't', failed: 'f' } as const;

const KINDS = { reserve: 'r', settle: 's', report: 'p', extend: 'e', orphan: 'o', assert: 'a' } as const;

export class OpWriter {
  readonly #indexOf: BudgetIndex;
  /** Kept from call to call: a list that grows anew each time is garbage each time. */
  readonly #list: Arg[] = [];
  #length = 0;

  constructor(indexOf: BudgetIndex) {
    this.#indexOf = indexOf;
  }

  /** The operations as one argument. */
  write(ops: readonly Op[]): string {
    this.#length = 0;
    this.#add(ops.length);
    for (const op of ops) this.#add(op.kind === 'assert' ? '@' : op.id);
    for (const op of ops) this.#op(op);
    this.#list.length = this.#length;
    return asJson(this.#list);
  }

  #add(arg: Arg): void {
    this.#list[this.#length] = arg;
    this.#length += 1;
  }

  /** A place for a number that is known later. */
  #place(): number {
    this.#add(0);
    return this.#length - 1;
  }

  #op(op: Op): void {
    this.#add(KINDS[op.kind]);
    const following = this.#place();
    if (op.kind === 'reserve') this.#candidates(op.candidates, op.enforce);
    else if (op.kind === 'assert') this.#use(op.budget, op.use);
    else {
      this.#add(op.budgets.length);
      for (const budget of op.budgets) this.#add(this.#indexOf(budget));
      if (op.kind === 'settle' || op.kind === 'extend') this.#actual(op.actual);
      if (op.kind === 'settle' || op.kind === 'report') this.#report(op.report);
    }
    this.#list[following] = this.#length - following - 1;
  }

  #candidates(candidates: readonly Candidate[], enforce: boolean): void {
    this.#add(enforce ? 1 : 0);
    this.#add(candidates.length);
    for (const { model, budget, asks } of candidates) {
      this.#add(model);
      this.#add(this.#indexOf(budget));
      this.#add(asks.length);
      for (const { dimension, limit, amount } of asks) {
        this.#add(LETTERS[dimension]);
        this.#add(limit);
        this.#add(wholeAmount(amount));
      }
    }
  }

  #actual(actual: Actual): void {
    const count = this.#place();
    for (const dimension of SETTLED) {
      const amount = knownAmount(actual, dimension);
      if (amount === undefined) continue;
      this.#add(LETTERS[dimension]);
      this.#add(amount);
    }
    this.#list[count] = (this.#length - count - 1) / 2;
  }

  #report(report: Report | undefined): void {
    this.#add(report ? REPORTS[report.kind] : '-');
    if (report?.kind === 'throttled') this.#add(report.forMs === null ? -1 : wholeAmount(report.forMs));
    else if (report?.kind === 'failed') {
      this.#add(report.failures);
      this.#add(wholeAmount(report.windowMs));
      this.#add(wholeAmount(report.openMs));
    }
  }

  #use(budget: string, { rates, costs, slots }: AssertedUse): void {
    this.#add(this.#indexOf(budget));
    const count = this.#place();
    for (const dimension of Object.keys(rates) as RateDimension[])
      for (const [age, amount] of rates[dimension]!) {
        this.#add(LETTERS[dimension]);
        this.#add(wholeAmount(age));
        this.#add(wholeAmount(amount));
      }
    this.#list[count] = (this.#length - count - 1) / 3;
    const dimensions = Object.keys(costs) as CostDimension[];
    this.#add(dimensions.length);
    for (const dimension of dimensions) {
      this.#add(LETTERS[dimension]);
      this.#add(wholeAmount(costs[dimension]!));
    }
    this.#add(slots.length);
    for (const id of slots) this.#add(id);
  }
}

/** Redis decodes no half of a surrogate pair; in every other argument it is replaced on the way. */
function asJson(list: readonly Arg[]): string {
  const text = JSON.stringify(list);
  if (!text.includes('\\ud')) return text;
  return JSON.stringify(list, (_key, value: unknown) => (typeof value === 'string' ? value.toWellFormed() : value));
}

const REPLAYED = 1;
const PROBE = 2;
const WOULD = 4;

function unfit(): Error {
  return new Error('the answer of Redis does not fit what was asked');
}

const MINUS = 45;
const ZERO = 48;

export class OpReader {
  #reply: Uint8Array = new Uint8Array();
  #at = 0;

  /** @param reply its bytes */
  read(ops: readonly Op[], reply: Uint8Array): OpResult[] {
    this.#reply = reply;
    this.#at = 0;
    const results = ops.map((op) => this.#result(op));
    if (this.#at !== reply.length) throw unfit();
    return results;
  }

  #result(op: Op): OpResult {
    const first = this.#next();
    if (op.kind !== 'reserve') return first === 1;
    if (first === -1) return 'learning';
    if (first === -2) return 'other_epoch';
    return this.#decision(op.candidates, first);
  }

  #decision(candidates: readonly Candidate[], flags: number): Decision {
    const chosen = this.#next();
    const refusals = sized<Refusal>(this.#next());
    for (let i = 0; i < refusals.length; i += 1) refusals[i] = this.#refusal(candidates[i]);
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
    const reply = this.#reply;
    let at = this.#at;
    if (at >= reply.length) throw unfit();
    const isNegative = reply[at] === MINUS;
    if (isNegative) at += 1;
    let whole = 0;
    // The comma behind it is below the digits.
    for (let digit; (digit = reply[at]! - ZERO) >= 0; at += 1) whole = whole * 10 + digit;
    this.#at = at + 1;
    return isNegative ? -whole : whole;
  }
}
