import { describe, expect, test } from '@jest/globals';
import { Histogram } from '../../../src/decide/histogram.ts';
import { LearnedOutput } from '../../../src/decide/learned-output.ts';

/** The same numbers in every run, evenly between 0 and 1. */
function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
}

const random = randoms(1);
/** Log-normal, with a mean of the logarithm. */
const logNormal = (median: number, sigma: number): number => Math.ceil(median * Math.exp(sigma * Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random())));

interface Judged {
  /** Of all tokens. */
  readonly overrun: number;
  /** Reserved for each token used. */
  readonly reserved: number;
}

/** Each answer is first estimated, then seen. */
function judged(length: (i: number) => number, answers: number): Judged {
  const histogram = new Histogram();
  let [used, over, reserved] = [0, 0, 0];
  for (let i = 0; i < answers; i++) {
    const tokens = length(i);
    if (histogram.ready) {
      used += tokens;
      over += Math.max(0, tokens - histogram.reserve);
      reserved += histogram.reserve;
    }
    histogram.observe(tokens);
  }
  return { overrun: over / used, reserved: reserved / used };
}

describe('what is reserved', () => {
  test('for answers of one length is that length, at most a ninth of it more', () => {
    for (const tokens of [1, 2, 7, 100, 1000, 4096, 100_000]) {
      const histogram = new Histogram();
      for (let i = 0; i < 30; i++) histogram.observe(tokens);
      expect(histogram.reserve).toBeGreaterThanOrEqual(tokens);
      expect(histogram.reserve).toBeLessThanOrEqual(Math.ceil(tokens * 1.1));
    }
  });

  test('covers nine answers in ten', () => {
    const histogram = new Histogram();
    // Nine short ones for a long one that is hardly longer: no reason for more than the quantile.
    for (let i = 0; i < 400; i++) histogram.observe(i % 12 === 0 ? 1010 : 1000 - (i % 12));
    expect(histogram.reserve).toBeGreaterThanOrEqual(999);
    expect(histogram.reserve).toBeLessThan(1100);
  });

  // Even when not all of an answer was reserved, hardly any tokens lie beyond the reservations.
  test.each<[string, (i: number) => number, number]>([
    ['narrow', () => logNormal(300, 0.3), 2],
    ['usual', () => logNormal(300, 0.6), 4],
    ['even', () => 1 + Math.floor(random() * 1000), 2.5],
    ['of two kinds', () => (random() < 0.1 ? 4000 : 50), 12],
    ['slowly longer', (i) => logNormal(100 * 2 ** (i / 5000), 0.5), 4],
    ['longer and shorter at a stroke', (i) => logNormal(i % 4000 < 2000 ? 100 : 1000, 0.5), 4],
  ])('answers of lengths that are %s overrun by at most 2 %%', (_, length, most) => {
    const { overrun, reserved } = judged(length, 20_000);
    expect(overrun).toBeLessThan(0.02);
    expect(reserved).toBeLessThan(most);
  });

  test('stays bounded for tails that no reservation could hold', () => {
    const { overrun, reserved } = judged(() => logNormal(300, 1), 20_000);
    expect(overrun).toBeLessThan(0.04);
    expect(reserved).toBeLessThan(9);
  });

  test('follows within some hundred answers, and for weeks', () => {
    const histogram = new Histogram();
    for (let i = 0; i < 20_000; i++) histogram.observe(2000);
    for (let i = 0; i < 1500; i++) histogram.observe(20);
    expect(histogram.reserve).toBeLessThan(30);
    for (let i = 0; i < 100; i++) histogram.observe(2000);
    expect(histogram.reserve).toBeGreaterThanOrEqual(2000);
  });

  test('is a number whatever an upstream reports', () => {
    for (const tokens of [0, -1, NaN, 0.5, 1e300, Infinity]) {
      const histogram = new Histogram();
      for (let i = 0; i < 30; i++) histogram.observe(tokens);
      expect(histogram.reserve).toBeGreaterThanOrEqual(1);
      expect(histogram.reserve).toBeLessThanOrEqual(2 ** 20);
      for (let i = 0; i < 2000; i++) histogram.observe(100);
      expect(histogram.reserve).toBeLessThan(120);
    }
  });
});

describe('by model and app', () => {
  const wanted = { maxTokens: undefined, outputs: 1 };
  const teach = (learned: LearnedOutput, model: string, app: string | undefined, tokens: number, times = 30): void => {
    for (let i = 0; i < times; i++) learned.observe(model, app, tokens, 1);
  };
  const near = (estimate: number | undefined, tokens: number): void => {
    expect(estimate).toBeGreaterThanOrEqual(tokens);
    expect(estimate).toBeLessThanOrEqual(tokens * 1.1);
  };

  test('nothing is known before there are some twenty answers', () => {
    const learned = new LearnedOutput();
    expect(learned.tokens('m', undefined, wanted)).toBeUndefined();
    teach(learned, 'm', undefined, 100, 19);
    expect(learned.tokens('m', undefined, wanted)).toBeUndefined();
    teach(learned, 'm', undefined, 100, 6);
    near(learned.tokens('m', undefined, wanted), 100);
    expect(learned.tokens('other', undefined, wanted)).toBeUndefined();
  });

  test('an app has its own, and before that the model’s over all apps', () => {
    const learned = new LearnedOutput();
    teach(learned, 'm', 'long', 2000);
    teach(learned, 'm', undefined, 2000, 200);
    teach(learned, 'm', 'short', 10, 5);
    near(learned.tokens('m', 'short', wanted), 2000);
    teach(learned, 'm', 'short', 10);
    near(learned.tokens('m', 'short', wanted), 10);
    near(learned.tokens('m', 'long', wanted), 2000);
    near(learned.tokens('m', 'new', wanted), 2000);
    expect(learned.tokens('other', 'short', wanted)).toBeUndefined();
  });

  test('never more than the caller allows, for each of the choices', () => {
    const learned = new LearnedOutput();
    for (let i = 0; i < 30; i++) learned.observe('m', undefined, 300, 3);
    near(learned.tokens('m', undefined, wanted), 100);
    near(learned.tokens('m', undefined, { maxTokens: 5000, outputs: 4 })! / 4, 100);
    expect(learned.tokens('m', undefined, { maxTokens: 30, outputs: 4 })).toBe(120);
  });

  test('embeddings have no answer: they reserve and teach nothing', () => {
    const learned = new LearnedOutput();
    expect(learned.tokens('m', undefined, { maxTokens: undefined, outputs: 0 })).toBe(0);
    for (let i = 0; i < 30; i++) learned.observe('m', 'app', 0, 0);
    expect(learned.size).toBe(0);
    teach(learned, 'm', undefined, 100);
    expect(learned.tokens('m', undefined, { maxTokens: undefined, outputs: 0 })).toBe(0);
  });

  test('of many apps the ones not seen for longest are forgotten', () => {
    const learned = new LearnedOutput();
    teach(learned, 'gone', undefined, 50);
    for (let i = 0; i < 3000; i++) {
      learned.observe('m', `app${i}`, 10, 1);
      learned.observe('m', 'busy', 700, 1);
      expect(learned.size).toBeLessThanOrEqual(1000);
    }
    expect(learned.size).toBeGreaterThan(900);
    near(learned.tokens('m', 'busy', wanted), 700);
    expect(learned.tokens('gone', undefined, wanted)).toBeUndefined();
  });
});
