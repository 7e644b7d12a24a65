import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decimalsOf, HIGHEST_LIMIT, HIGHEST_PRICE, inUnits } from '../../../src/config/money.ts';
import { costOf, dollarsOf, nanoDollars, priceOf } from '../../../src/decide/price.ts';

describe('money as it is written', () => {
  test.each([[0, 0], [3, 0], [0.1, 1], [15.25, 2], [1e-7, 7], [1.5e-7, 8], [1e21, 0], [123_456.123456789, 9]])('%d has %i decimals', (value, decimals) => expect(decimalsOf(value)).toBe(decimals));

  test('is exact in whole units, for every number of so many digits', () =>
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 12n }), fc.integer({ min: 0, max: 9 }), (units, decimals) => {
        const digits = String(units).padStart(decimals + 1, '0');
        const text = decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
        expect(BigInt(inUnits(Number(text), decimals))).toBe(units);
      }),
    ));

  test.each([[0.1234567, 6], [1e-10, 9], [2 ** 53, 1], [Infinity, 0], [NaN, 0], [-1, 0]])('%d is none with %i decimals', (value, decimals) => expect(() => inUnits(value, decimals)).toThrow(RangeError));

  test('the highest limit and price are counted exactly', () => {
    expect(nanoDollars(HIGHEST_LIMIT)).toBe(9_007_199_000_000_000);
    expect(priceOf({ input: HIGHEST_PRICE, output: 0.000001 })).toEqual({ inputPico: 1e12, outputPico: 1 });
    expect(dollarsOf(nanoDollars(0.3))).toBe(0.3);
  });
});

describe('a cost', () => {
  test.each([
    ['three dollars a million are 3,000 nano-dollars a token', 3, 15, 1000, 10, 3_150_000],
    ['a part of a nano-dollar is one', 0.000001, 0, 1, 0, 1],
    ['rounded once for the request, not for each part', 0.0005, 0.0005, 1, 1, 1],
    ['nothing', 3, 15, 0, 0, 0],
    ['no price for output', 2.5, 0, 7, 1_000_000, 17_500],
  ])('%s', (_, input, output, sent, made, expected) => expect(costOf(priceOf({ input, output }), sent, made)).toBe(expected));

  test('is what arithmetic without floats says, whatever the price and the tokens', () => {
    const pico = fc.oneof(fc.bigInt({ min: 0n, max: 200_000_000n }), fc.bigInt({ min: 0n, max: 10n ** 12n }));
    const tokens = fc.oneof(fc.nat({ max: 2_000_000 }), fc.maxSafeNat());
    const written = (units: bigint): number => Number(`${units / 1_000_000n}.${String(units % 1_000_000n).padStart(6, '0')}`);
    fc.assert(
      fc.property(pico, pico, tokens, tokens, (input, output, sent, made) => {
        const price = priceOf({ input: written(input), output: written(output) });
        expect(price).toEqual({ inputPico: Number(input), outputPico: Number(output) });
        const exact = (BigInt(sent) * input + BigInt(made) * output + 999n) / 1000n;
        const most = BigInt(Number.MAX_SAFE_INTEGER);
        expect(BigInt(costOf(price, sent, made))).toBe(exact < most ? exact : most);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([[NaN, 0], [-5, 0], [Infinity, Number.MAX_SAFE_INTEGER], [1e300, Number.MAX_SAFE_INTEGER], [0.5, 3000]])('of %d tokens, whatever reported them, is a whole number', (tokens, expected) => {
    expect(costOf(priceOf({ input: 3, output: 15 }), tokens, 0)).toBe(expected);
  });
});
