/**
 * Whole fleets in virtual time (test/simulation). What is asserted has the names of the study of shared limits: I1 no
 * window above the limit, I7 the use under backlog, I10 no 429 from any kind of provider. A failure names its seeds;
 * SPILLWAY_SEED=n begins with another one.
 */
import { describe, expect, test } from '@jest/globals';
import { WINDOW } from '../../../src/wire/window.ts';
import { KEEPS, MINUTE, type Contender, type Experiments } from '../../simulation/experiments.ts';
import { measured, type Figures } from '../../simulation/measured.ts';
import { turnMs } from '../../simulation/measure.ts';
import type { Sizes } from '../../simulation/scenario.ts';

const FIRST = Number(process.env['SPILLWAY_SEED'] ?? 1);
const LONGEST_MS = 60_000;

function seeds<Name extends keyof Experiments>(count: number, name: Name, parameters: Parameters<Experiments[Name]>[1]): Promise<Figures<Name>[]> {
  return measured(name, parameters, count, FIRST);
}

const count = <T>(list: readonly T[], of: (each: T) => boolean): number => list.filter(of).length;
const sum = <T>(list: readonly T[], of: (each: T) => number): number => list.reduce((total, each) => total + of(each), 0);

describe('2 to 20 pods, any load, estimates that are upper bounds', () => {
  test('I10 no provider refuses a call, and I1 no 60 s hold more than the limit', async () => {
    const figures = await seeds(60, 'anyLoad', { contender: 'spillway' });
    expect(figures.filter(({ worst, refusing }) => worst > 1 || refusing.length > 0)).toEqual([]);
    // That is no accident: limits are reached to the last request, and some reservations grow too old on the way.
    expect(count(figures, ({ worst }) => worst === 1)).toBeGreaterThan(30);
    expect(sum(figures, ({ stale }) => stale)).toBeGreaterThan(100);
  }, LONGEST_MS);

  test.each<[string, Contender]>([
    ['a window of 60 s without the slack', 'withoutSlack'],
    ['a fixed window', 'fixedWindow'],
    ['two weighted buckets', 'twoBuckets'],
  ])('the same loads show what is wrong with %s', async (_, contender) => {
    const figures = await measured('anyLoad', { contender }, 15);
    expect(count(figures, ({ worst, refusing }) => worst > 1 && refusing.length > 0)).toBeGreaterThan(0);
  }, LONGEST_MS);
});

test('a provider that counts what was reserved, and keeps it, is not spared: what is unused is used again here', async () => {
  const figures = await measured('anyLoad', { contender: 'spillway', estimate: [2, 4] }, 6);
  expect(count(figures, ({ refused }) => refused[KEEPS]! > 0)).toBeGreaterThan(0);
  const known = await measured('anyLoad', { contender: 'spillway', estimate: [1, 1] }, 6);
  expect(count(known, ({ refused }) => refused[KEEPS]! > 0)).toBe(0);
}, LONGEST_MS);

describe('estimates that are too low', () => {
  test('I1 no 60 s hold more than the limit and what its calls used beyond their reservations', async () => {
    const figures = await seeds(30, 'anyLoad', { contender: 'spillway', estimate: [0.5, 1.5] });
    expect(figures.filter(({ worstCovered }) => worstCovered > 1)).toEqual([]);
    expect(count(figures, ({ worst }) => worst > 1)).toBeGreaterThan(5);
  }, LONGEST_MS);

  test('what was used beyond is held against later calls, so over many minutes little of it is too much', async () => {
    const figures = await seeds(6, 'backlog', { contender: 'spillway', limits: MANY, sizes: { estimate: [0.4, 0.8] }, turns: 16 });
    // Were it not charged, the use would be above the limit by the whole of it.
    expect(figures.filter(({ use, overrun }) => use - 1 > 0.25 * overrun)).toEqual([]);
    expect(count(figures, ({ overrun }) => overrun > 0.5)).toBe(figures.length);
  }, LONGEST_MS);
});

const MANY = { requests: 1_000_000, tokens: 100_000 };

describe('I7 under backlog the use is at least 97 % of the formula, and never above the window', () => {
  const most = WINDOW.lengthMs / (MINUTE.steps * MINUTE.stepMs);

  test('requests: once a turn of the ring', async () => {
    const limits = { requests: 300, tokens: 1e9 };
    const figures = await seeds(4, 'backlog', { contender: 'spillway', limits });
    const wanted = WINDOW.lengthMs / turnMs(MINUTE);
    expect(figures.filter(({ use }) => use < 0.97 * wanted || use > most)).toEqual([]);
  }, LONGEST_MS);

  test.each<[string, Partial<Sizes>]>([
    ['sizes known', {}],
    ['sizes known, large calls', { largest: 20_000, sigma: 2 }],
    ['estimates up to three times too high', { estimate: [1, 3] }],
    ['the same, half of it streams of up to two minutes', { estimate: [1, 3], streams: 0.5 }],
    ['all streams, four times too high', { estimate: [4, 4], streams: 1 }],
  ])('tokens: %s', async (_, sizes) => {
    const figures = await seeds(4, 'backlog', { contender: 'spillway', limits: MANY, sizes });
    expect(figures.filter(({ use, predicted }) => use < 0.97 * predicted || use > most)).toEqual([]);
  }, LONGEST_MS);
});

/** "600 a minute" as some providers enforce it: 100 in 10 s, or 10 in 1 s. */
describe('short slices of a limit on requests', () => {
  // The slack is a second here too; of a short slice it is a large part.
  const cases = [
    { sliceMs: 10_000, perSlice: 100, short: { stepMs: 200, steps: 55 } },
    { sliceMs: 1_000, perSlice: 10, short: { stepMs: 100, steps: 20 } },
  ];

  test.each(cases)('I10 with a window of $sliceMs ms and a second none is refused', async ({ sliceMs, perSlice, short }) => {
    const figures = await seeds(30, 'slices', { sliceMs, perSlice, shape: short, limit: perSlice });
    expect(figures.filter(({ worst, refusing }) => worst > perSlice || refusing.length > 0)).toEqual([]);
    expect(count(figures, ({ worst }) => worst >= 0.9 * perSlice)).toBeGreaterThan(15);
  }, LONGEST_MS);

  test.each(cases)('with the window of a minute, $perSlice a minute instead of 600: none is refused', async ({ sliceMs, perSlice }) => {
    const figures = await seeds(10, 'slices', { sliceMs, perSlice, shape: MINUTE, limit: perSlice });
    expect(figures.filter(({ refusing }) => refusing.length > 0)).toEqual([]);
  }, LONGEST_MS);

  test.each(cases)('with the window of a minute and all 600, slices of $sliceMs ms are not kept', async ({ sliceMs, perSlice }) => {
    const figures = await seeds(6, 'slices', { sliceMs, perSlice, shape: MINUTE, limit: 6 * 100 });
    expect(count(figures, ({ refusing }) => refusing.length > 0)).toBeGreaterThan(0);
  }, LONGEST_MS);
});
