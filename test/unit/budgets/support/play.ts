/** Random histories of a fleet: batches of operations, beats, lost records, clocks that jump. The same ones for the same seed. */
import type { BeatAnswer, Held, NewEpoch, Op } from '../../../../src/budgets/ops.ts';
import type { Actual, Ask, Candidate, Dimension, Report, Subjects, WindowShape } from '../../../../src/budgets/types.ts';
import { Oracle } from './oracle.ts';

export const DIMENSIONS: readonly Dimension[] = [
  'requests',
  'tokens',
  'input_tokens',
  'output_tokens',
  'concurrency',
  'cost_day',
  'cost_month',
];
export const BUDGETS = ['a', 'b', 'c', 'd'];
const RATES = ['requests', 'tokens', 'input_tokens', 'output_tokens'] as const;
const COSTS = ['cost_day', 'cost_month'] as const;
const HOUR = 3_600_000;

export const SUBJECTS: Subjects = {
  budgets: new Map(BUDGETS.map((budget) => [budget, DIMENSIONS.map((dimension) => ({ dimension, limit: 9, amount: 0 }))])),
  models: new Map([...BUDGETS, 'e'].flatMap((budget) => [0, 1].map((n) => [`${budget}${n}`, budget]))),
};

/** How time passes: by the window's steps, by the seconds of circuits, by the days of costs. */
const PACES = ['steps', 'seconds', 'days'] as const;

const WINDOWS = [
  { stepMs: 100, steps: 10 },
  { stepMs: 1_000, steps: 61 },
  { stepMs: 7, steps: 3 },
];

/** What happens to Redis next, in order. */
export type Turn =
  | { readonly kind: 'apply'; readonly ops: readonly Op[]; readonly epoch: string; readonly now: number }
  | {
      readonly kind: 'beat';
      readonly pod: string;
      readonly podMs: number;
      readonly held: readonly Held[];
      readonly newEpoch: NewEpoch;
      readonly now: number;
    }
  | { readonly kind: 'usage'; readonly now: number }
  | { readonly kind: 'lose' };

export interface History {
  readonly shape: { readonly window: WindowShape; readonly leaseMs: number; readonly recordMs: number };
  readonly oracle: Oracle;
  readonly now: number;
  /** Operations so far. */
  readonly made: number;
  /** The next turn and what the model answers to it; null at the end. */
  next(): { turn: Turn; expected: unknown } | null;
}

export interface PlayOptions {
  readonly seed: number;
  readonly leaseMs: number;
  readonly recordMs: number;
  /** Most operations in one call. */
  readonly batch: number;
}

/** mulberry32. */
function numbers(seed: number): (below: number) => number {
  let a = seed;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

export class Play implements History {
  readonly shape: History['shape'];
  readonly oracle: Oracle;
  now: number;
  made = 0;
  readonly #below: (below: number) => number;
  readonly #pace: (typeof PACES)[number];
  readonly #batch: number;
  /** What was admitted and not settled, with what it asked for. */
  readonly #live = new Map<string, readonly Candidate[]>();
  #orphans: BeatAnswer['orphans'] = [];
  #epoch = '';
  #ids = 0;

  constructor({ seed, leaseMs, recordMs, batch }: PlayOptions) {
    this.#below = numbers(seed);
    this.shape = { window: WINDOWS[seed % WINDOWS.length]!, leaseMs, recordMs };
    this.#pace = PACES[this.#below(PACES.length)]!;
    this.#batch = batch;
    this.oracle = new Oracle(this.shape);
    // 1998 to 2104, with leap years and a year 2100 without its day.
    this.now = 900_000_000_000 + this.#below(3_350_000) * 1_000_000;
  }

  next(): { turn: Turn; expected: unknown } {
    this.#moveClock();
    const { now } = this;
    const dice = this.#below(100);
    if (dice < 8) return this.#beat();
    if (dice < 12) return { turn: { kind: 'usage', now }, expected: this.oracle.usage(SUBJECTS, now) };
    if (dice === 12 && this.#below(4) === 0) {
      this.oracle.loseRecords();
      return { turn: { kind: 'lose' }, expected: undefined };
    }
    const ops: Op[] = [];
    const expected: unknown[] = [];
    const epoch = this.#below(20) === 0 ? ['', 'other'][this.#below(2)]! : this.#epoch;
    for (let left = 1 + this.#below(this.#batch); left > 0; left -= 1) {
      const op = this.#op();
      ops.push(op);
      const answer = this.oracle.apply([op], epoch, now)[0]!;
      expected.push(answer);
      if (op.kind === 'reserve' && typeof answer === 'object' && answer.chosen >= 0) this.#live.set(op.id, op.candidates);
    }
    this.made += ops.length;
    return { turn: { kind: 'apply', ops, epoch, now }, expected };
  }

  #moveClock(): void {
    const below = this.#below;
    const { stepMs, steps } = this.shape.window;
    const dice = below(100);
    // Whole tenths, so that edges are met.
    if (this.#pace === 'seconds' && dice < 80) this.now = (Math.ceil(this.now / 100) + below(8)) * 100;
    else if (this.#pace === 'days' && dice < 60) this.now += below(10 * HOUR);
    else if (this.#pace === 'days' && dice < 65) this.now += below(40 * 24 * HOUR);
    else if (this.#pace === 'days' && dice < 66) this.now -= below(20 * 24 * HOUR);
    else if (dice < 75) this.now += below(stepMs);
    else if (dice < 90) this.now += below(3 * stepMs);
    else if (dice < 95) this.now += below(stepMs * steps);
    else if (dice < 96) this.now += below(3 * stepMs * steps);
    else if (dice < 98) this.now -= below(stepMs * steps);
    // Exactly on an edge.
    else this.now = Math.ceil(this.now / stepMs) * stepMs;
  }

  #op(): Op {
    const below = this.#below;
    const ids = [...this.#live.keys()];
    // Late settles and repeats: an id that is no longer live, now and then.
    const id = below(12) === 0 ? `id-${below(this.#ids + 1)}` : (ids[below(ids.length || 1)] ?? 'none');
    const budgets = below(30) === 0 ? ['a'] : BUDGETS;
    const dice = below(100);
    const orphan = this.#orphans[below(this.#orphans.length || 1)];
    if (dice < 46 || ids.length === 0) {
      const again = below(12) === 0 ? this.#live.get(id) : undefined;
      if (again) return { kind: 'reserve', id, candidates: again, enforce: true };
      this.#ids += 1;
      return { kind: 'reserve', id: `id-${this.#ids}`, candidates: this.#candidates(), enforce: below(8) > 0 };
    }
    if (dice < 78) {
      if (below(10) > 0) this.#live.delete(id);
      const report = below(4) === 0 ? undefined : this.#report();
      return { kind: 'settle', id, budgets, actual: this.#actual(7_000), report };
    }
    if (dice < 84) return { kind: 'report', id, budgets, report: this.#report() };
    if (dice < 93) return { kind: 'extend', id, budgets, actual: this.#actual(9_000) };
    if (dice < 97) return { kind: 'orphan', id: orphan && below(5) > 0 ? orphan.id : id, budgets };
    return this.#assertion();
  }

  #assertion(): Op {
    const below = this.#below;
    const span = this.shape.window.stepMs * (this.shape.window.steps + 4);
    const some = <T>(most: number, make: () => T): T[] => Array.from({ length: below(most + 1) }, make);
    const rates = RATES.filter(() => below(3) === 0).map(
      (dimension) => [dimension, some(4, () => [below(span), below(2_000)] as const)] as const,
    );
    const costs = COSTS.filter(() => below(3) === 0).map((dimension) => [dimension, below(2 ** 34)] as const);
    const slots = some(2, () => `id-${below(this.#ids + 3)}`);
    const use = { rates: Object.fromEntries(rates), costs: Object.fromEntries(costs), slots };
    return { kind: 'assert', budget: BUDGETS[below(BUDGETS.length)]!, use };
  }

  #ask(dimension: Dimension): Ask {
    const below = this.#below;
    if (dimension === 'concurrency') return { dimension, limit: 1 + below(6), amount: below(20) === 0 ? 0 : 1 };
    const isCost = dimension === 'cost_day' || dimension === 'cost_month';
    const scale = dimension === 'requests' ? 1 : isCost ? 2 ** 31 : 1_000;
    // Of a day that does not end in this history there must be enough for the whole of it.
    const limit = (below(30) === 0 ? 1 : 5 + below(25)) * scale * (isCost && this.#pace !== 'days' ? 40 : 1);
    const amount = below(12) === 0 ? 0 : dimension === 'requests' ? 1 + below(2) : below(6 * scale);
    return { dimension, limit, amount };
  }

  #candidates(): Candidate[] {
    const below = this.#below;
    const budgets = BUDGETS.toSorted(() => below(3) - 1).slice(0, 1 + below(4));
    return budgets.map((budget) => ({
      model: `${budget}${below(2)}`,
      budget,
      asks: below(40) === 0 ? [] : DIMENSIONS.filter(() => below(2) === 0).map((dimension) => this.#ask(dimension)),
    }));
  }

  #actual(most: number): Actual {
    const below = this.#below;
    const actual: Actual = {};
    for (const dimension of DIMENSIONS) {
      if (below(4) === 0) continue;
      if (dimension === 'requests') actual[dimension] = below(3);
      else actual[dimension] = below(most) * (dimension.startsWith('cost') ? 2 ** 19 : 1);
    }
    return actual;
  }

  #report(): Report {
    const below = this.#below;
    const dice = below(100);
    if (dice < 60) return { kind: 'ok' };
    if (dice < 72) return { kind: 'neutral' };
    if (dice < 75) return { kind: 'throttled', forMs: below(2) === 0 ? null : below(15) * 100 };
    return { kind: 'failed', failures: 1 + below(5), windowMs: 100 + below(30) * 100, openMs: 100 + below(15) * 100 };
  }

  #beat(): { turn: Turn; expected: unknown } {
    const below = this.#below;
    const { now } = this;
    const held: Held[] = [];
    for (const id of this.#live.keys()) {
      if (below(2) === 0) continue;
      const known = this.oracle.model.reservations.get(id);
      const hasSlot = known?.charges.some(({ dimension }) => dimension === 'concurrency');
      held.push({ id, slotOf: hasSlot ? known!.budget : null });
      // Its pod is never heard of again.
      if (below(6) === 0) this.#live.delete(id);
    }
    const pod = `pod-${below(5)}`;
    const podMs = below(6) === 0 ? 0 : 1 + below(5_000);
    // Now and then of a pod that knows of a newer beat than Redis does.
    const newEpoch = { id: `epoch-${below(1_000)}`, learnMs: below(2) * below(2_000), after: below(2) * (now - below(20_000)) };
    const expected = this.oracle.beat(pod, podMs, held, newEpoch, now);
    this.#orphans = expected.orphans;
    this.#epoch = expected.epoch;
    return { turn: { kind: 'beat', pod, podMs, held, newEpoch, now }, expected };
  }
}
