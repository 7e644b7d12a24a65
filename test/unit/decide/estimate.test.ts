import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { estimateInput, estimateOutput, FIRST_RATIO, learn, MAX_TOKENS, MEDIA_TOKENS } from '../../../src/decide/estimate.ts';

const text = (textBytes: number) => ({ textBytes, media: { bytes: 0, parts: 0 } });

describe('the input', () => {
  test('at first three bytes a token, and a fixed figure for each picture', () => {
    expect(estimateInput(text(300), FIRST_RATIO)).toBe(100);
    expect(estimateInput({ textBytes: 300, media: { bytes: 1_000_000, parts: 2 } }, FIRST_RATIO)).toBe(100 + 2 * MEDIA_TOKENS);
  });

  test('what is learned comes near to what is reported, and then covers nearly all of it', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 0.6, noNaN: true }), fc.array(fc.double({ min: 0.9, max: 1.1, noNaN: true }), { minLength: 100, maxLength: 100 }), (rate, noise) => {
        let ratio = FIRST_RATIO;
        for (const factor of noise) ratio = learn(ratio, text(3000), Math.round(3000 * rate * factor));
        const estimate = estimateInput(text(3000), ratio);
        expect(estimate / (3000 * rate)).toBeGreaterThan(0.9);
        expect(estimate / (3000 * rate)).toBeLessThan(1.4);
      }),
    );
  });

  test.each([['pictures', { textBytes: 100, media: { bytes: 10, parts: 1 } }, 50], ['no text', text(0), 50], ['a meter that is wrong', text(100), 100_000], ['hardly any', text(100_000), 1]])('%s teach nothing', (_, size, input) => {
    expect(learn(FIRST_RATIO, size, input)).toBe(FIRST_RATIO);
  });
});

test.each([
  ['what the caller allows', 50, 1, 10_000, 50],
  ['for each choice', 50, 3, 10_000, 150],
  ['nothing said', undefined, 1, 100_000, 1000],
  ['never more than a tenth of the limit', 32_000, 1, 10_000, 1000],
  ['a tiny limit', undefined, 1, 5, 1],
  ['no limit', 32_000, 1, Infinity, 32_000],
  ['an embedding', undefined, 0, 5, 0],
])('the output: %s', (_, maxTokens, choices, limit, expected) => {
  expect(estimateOutput(maxTokens, choices, limit)).toBe(expected);
});

test.each([
  ['what the caller allows, however much', 2_000_000, 1, 2_000_000],
  ['for each choice', 50, 3, 150],
  ['nothing said', undefined, 2, 2000],
  ['an embedding', undefined, 0, 0],
])('max-tokens: %s', (_, maxTokens, outputs, expected) => {
  expect(MAX_TOKENS.tokens('m', 'app', { maxTokens, outputs })).toBe(expected);
});
