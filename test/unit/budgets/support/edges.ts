/** A short history by hand: moments that random ones hardly ever meet, exactly on the edge of what health lasts. */
import type { Op } from '../../../../src/budgets/ops.ts';
import type { Report } from '../../../../src/budgets/types.ts';
import { Oracle } from './oracle.ts';
import { SUBJECTS, type History, type Turn } from './play.ts';

const START = 1_700_000_000_000;
const SHAPE = { window: { stepMs: 1_000, steps: 61 }, leaseMs: 3_000, recordMs: 20_000 };

const asked = (id: string): Op => ({
  kind: 'reserve',
  id,
  candidates: [{ model: 'a0', budget: 'a', asks: [{ dimension: 'requests', limit: 1_000, amount: 1 }] }],
  enforce: true,
});
const said = (id: string, report: Report): Op => ({ kind: 'report', id, budgets: ['a'], report });
const failed = (failures: number, windowMs = 1_000, openMs = 2_000): Report => ({ kind: 'failed', failures, windowMs, openMs });

/** Milliseconds after the start, and what is done. */
const STEPS: readonly (readonly [number, ...Op[]])[] = [
  // A failure leaves exactly its window later.
  [0, asked('one'), said('one', failed(2))],
  [1_000, said('one', failed(2)), asked('two')],
  [1_999, said('one', failed(2)), asked('three')],
  // Open until 3,999; then a probe whose lease ends at 6,999.
  [3_998, asked('four')],
  [3_999, asked('probe'), asked('five')],
  [6_998, asked('six')],
  [6_999, asked('seven'), said('probe', { kind: 'ok' })],
  // Returning since 7,000.
  [7_000, said('seven', { kind: 'throttled', forMs: 1_000 })],
  [7_999, asked('eight')],
  [8_000, asked('nine'), asked('ten'), asked('eleven'), asked('twelve'), asked('thirteen')],
  [8_999, asked('fourteen')],
  [9_000, asked('fourteen')],
  // Until 13,000: a failure opens a circuit that returns, of a closed one it is the first of three.
  [12_999],
  [13_000, said('one', failed(3)), asked('fifteen')],
];

export class Edges implements History {
  readonly shape = SHAPE;
  readonly oracle = new Oracle(SHAPE);
  now = START;
  made = 0;
  #step = 0;
  #isShown = false;

  next(): { turn: Turn; expected: unknown } | null {
    const step = STEPS[this.#step];
    if (!step) return null;
    const [ms, ...ops] = step;
    const now = (this.now = START + ms);
    if (this.#isShown) {
      this.#isShown = false;
      this.#step += 1;
      this.made += ops.length;
      return { turn: { kind: 'apply', ops, epoch: '', now }, expected: this.oracle.apply(ops, '', now) };
    }
    this.#isShown = true;
    return { turn: { kind: 'usage', now }, expected: this.oracle.usage(SUBJECTS, now) };
  }
}
