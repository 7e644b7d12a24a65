/** What must hold in every history, looked for in random ones. The scripts give the same answers (integration/budgets-same). */
import { expect, test } from '@jest/globals';
import { reserve } from '../../../src/budgets/model.ts';
import type { Op, OpResult } from '../../../src/budgets/ops.ts';
import type { Decision } from '../../../src/budgets/types.ts';
import { BUDGETS, DIMENSIONS, Play, SUBJECTS } from './support/play.ts';

const SEEDS = [1, 2, 3, 4, 5, 6];
const play = (seed: number) => new Play({ seed, leaseMs: 3_000, recordMs: 20_000, batch: 1 });

/** Everything that can be known of a model, now and later. */
const state = ({ oracle: { model }, oracle, now }: Play) =>
  JSON.stringify([
    [0, 1, 700, 5_000, 70_000, 90_000_000].map((later) => {
      const { levels, health } = oracle.usage(SUBJECTS, now + later);
      return [[...levels], [...health]];
    }),
    [...model.reservations],
    [...model.budgets.values()].map(({ circuits, cooldown }) => [[...circuits], cooldown]),
  ]);

function histories(check: (one: Play, op: Op, answer: OpResult) => void): void {
  for (const seed of SEEDS) {
    const one = play(seed);
    while (one.made < 1_500) {
      const { turn, expected } = one.next();
      if (turn.kind === 'apply') check(one, turn.ops[0]!, (expected as OpResult[])[0]!);
    }
  }
}

test('I2: a refusal changes nothing', () => {
  let refused = 0;
  histories((one, op, answer) => {
    if (op.kind !== 'reserve' || typeof answer !== 'object' || answer.chosen >= 0 || (refused += 1) % 5 > 0) return;
    const before = state(one);
    const [again] = one.oracle.apply([op], '', one.now) as [Decision];
    expect(again.chosen).toBe(-1);
    expect(state(one)).toBe(before);
  });
  expect(refused).toBeGreaterThan(100);
});

test('I3: the same id answers the same and charges nothing', () => {
  histories((one, op, answer) => {
    if (op.kind !== 'reserve' || typeof answer !== 'object' || answer.chosen < 0 || one.made % 5 > 0) return;
    const before = state(one);
    expect(reserve(one.oracle.model, op.id, [], one.now)).toEqual({ ...answer, by: 'process', replayed: true });
    expect(state(one)).toBe(before);
  });
});

test('I6: every candidate before the chosen one was blocked at that moment', () => {
  let passedOver = 0;
  histories((one, op, answer) => {
    if (op.kind !== 'reserve' || typeof answer !== 'object' || answer.replayed) return;
    // Nothing that the chosen one took makes room elsewhere, so they are blocked still.
    for (const [i, refusal] of answer.refusals.entries()) {
      passedOver += 1;
      const alone = reserve(one.oracle.model, 'alone', [op.candidates[i]!], one.now, { enforce: op.enforce });
      expect(alone).toMatchObject({ chosen: -1, refusals: [refusal] });
    }
  });
  expect(passedOver).toBeGreaterThan(500);
});

test('I4: when all is settled and a window has gone by, nothing is left', () => {
  for (const seed of SEEDS) {
    const one = play(seed);
    while (one.made < 1_500) {
      const { turn } = one.next();
      if (turn.kind === 'lose') break;
    }
    const { model } = one.oracle;
    for (const id of model.reservations.keys()) one.oracle.apply([{ kind: 'settle', id, budgets: BUDGETS, actual: {} }], '', one.now);
    expect(one.oracle.records).toBe(0);
    const { levels } = one.oracle.usage(SUBJECTS, one.now + 50 * 365 * 24 * 3_600_000);
    for (const its of levels.values()) expect(its.map(({ used }) => used)).toEqual(DIMENSIONS.map(() => 0));
  }
});

test('I1: what was reserved under enforcement is within the limit right after', () => {
  histories((_one, op, answer) => {
    if (op.kind !== 'reserve' || !op.enforce || typeof answer !== 'object' || answer.replayed) return;
    for (const { used, limit } of answer.levels) expect(used).toBeLessThanOrEqual(limit);
  });
});
