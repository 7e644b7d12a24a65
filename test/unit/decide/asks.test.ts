import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Actual, Ask } from '../../../src/budgets/types.ts';
import { asksFor, callAsks, limitsAsAsks, prepareLimits, soFar, TURNED_AWAY, UNKNOWN, UNSENT, used } from '../../../src/decide/asks.ts';
import { FIRST_RATIO } from '../../../src/decide/estimate.ts';
import { priceOf } from '../../../src/decide/price.ts';
import { chargeOfFailure } from '../../../src/decide/settlement.ts';
import { REASONS } from '../../../src/wire/reasons.ts';

const size = { textBytes: 300, media: { bytes: 0, parts: 0 } };
const wanted = { ...size, maxTokens: 20, outputs: 1 };
const price = { input: 3, output: 15 };
const all = { requestsPerMinute: 5, tokensPerMinute: 1000, inputTokensPerMinute: 600, outputTokensPerMinute: 500, concurrency: 2, costPerDay: 50, costPerMonth: 1000 };
const shown = (asks: readonly Ask[]) => asks.map(({ dimension, limit, amount }) => [dimension, limit, amount]);

describe('before a request is sent', () => {
  test('only what is limited is asked for', () => {
    expect(asksFor(prepareLimits({}), wanted, FIRST_RATIO, undefined)).toEqual([]);
    expect(asksFor(prepareLimits({}, price), wanted, FIRST_RATIO, undefined)).toEqual([]);
    expect(shown(asksFor(prepareLimits(all, price), wanted, FIRST_RATIO, undefined))).toEqual([
      ['requests', 5, 1],
      ['tokens', 1000, 120],
      ['input_tokens', 600, 100],
      ['output_tokens', 500, 20],
      ['concurrency', 2, 1],
      ['cost_day', 50e9, 100 * 3000 + 20 * 15_000],
      ['cost_month', 1000e9, 100 * 3000 + 20 * 15_000],
    ]);
  });

  test('limits to be read are the same without amounts', () => {
    const prepared = prepareLimits(all, price);
    expect(limitsAsAsks(prepared)).toEqual(asksFor(prepared, wanted, FIRST_RATIO, 9).map(({ dimension, limit }) => ({ dimension, limit, amount: 0 })));
  });

  test('a call that is only forwarded is one request', () => {
    expect(shown(callAsks(prepareLimits(all, price)))).toEqual([['requests', 5, 1], ['concurrency', 2, 1]]);
  });

  test('what depends on no request is not made anew', () => {
    const prepared = prepareLimits({ requestsPerMinute: 5, concurrency: 2 });
    expect(asksFor(prepared, wanted, FIRST_RATIO, undefined)).toBe(asksFor(prepared, { ...wanted, textBytes: 9 }, FIRST_RATIO, 7));
  });

  test('an estimate of the answer is taken as it is', () => {
    expect(shown(asksFor(prepareLimits(all, price), wanted, FIRST_RATIO, 333)).slice(1)).toEqual([
      ['tokens', 1000, 433],
      ['input_tokens', 600, 100],
      ['output_tokens', 500, 333],
      ['concurrency', 2, 1],
      ['cost_day', 50e9, 300_000 + 333 * 15_000],
      ['cost_month', 1000e9, 300_000 + 333 * 15_000],
    ]);
  });

  test('before anything is known, at most a tenth of each limit, of money as well', () => {
    const asks = asksFor(prepareLimits({ tokensPerMinute: 1000, costPerDay: 0.015 }, price), { ...wanted, maxTokens: 5000 }, FIRST_RATIO, undefined);
    // A tenth of 0.015 dollars is 100 tokens.
    expect(shown(asks)).toEqual([['tokens', 1000, 200], ['cost_day', 15e6, 300_000 + 100 * 15_000]]);
  });

  test('output that costs nothing needs no tenth', () => {
    expect(shown(asksFor(prepareLimits({ costPerDay: 1 }, { input: 2, output: 0 }), wanted, FIRST_RATIO, undefined))).toEqual([['cost_day', 1e9, 200_000]]);
  });

  test('an estimate alone makes no request too large for an empty budget', () => {
    const money = { costPerDay: 0.001, costPerMonth: 0.0004 };
    const asks = asksFor(prepareLimits({ tokensPerMinute: 110, outputTokensPerMinute: 90, ...money }, price), wanted, FIRST_RATIO, 5000);
    expect(shown(asks)).toEqual([['tokens', 110, 111], ['output_tokens', 90, 90], ['cost_day', 1e6, 1e6], ['cost_month', 4e5, 4e5]]);
    expect(shown(asksFor(prepareLimits({ tokensPerMinute: 200 }), wanted, FIRST_RATIO, 5000))).toEqual([['tokens', 200, 200]]);
  });

  test('amounts are whole, and never above both the limit and the cautious estimate', () => {
    const limit = fc.integer({ min: 1, max: 2 ** 40 });
    fc.assert(
      fc.property(limit, limit, fc.integer({ min: 1, max: 2 ** 30 }), fc.integer({ min: 0, max: 4 }), fc.option(fc.nat({ max: 2 ** 40 }), { nil: undefined }), (tpm, otpm, textBytes, outputs, output) => {
        const prepared = prepareLimits({ tokensPerMinute: tpm, outputTokensPerMinute: otpm, costPerDay: 3 }, price);
        const request = { ...wanted, textBytes, outputs };
        const first = asksFor(prepared, request, FIRST_RATIO, undefined);
        for (const [i, { amount, limit }] of asksFor(prepared, request, FIRST_RATIO, output).entries()) {
          expect(Number.isSafeInteger(amount)).toBe(true);
          expect(amount).toBeLessThanOrEqual(Math.max(limit, first[i]!.amount));
        }
      }),
    );
  });

  test('money without a price cannot be counted', () => expect(() => prepareLimits({ costPerDay: 1 })).toThrow('no price'));
});

describe('afterwards', () => {
  const tokens = { tokens: 130, input_tokens: 100, output_tokens: 30 };

  test('what an answer used, and cost', () => {
    expect(used(100, 30, priceOf(price))).toEqual({ requests: 1, ...tokens, cost_day: 750_000, cost_month: 750_000 });
    expect(used(100, 30, undefined)).toEqual({ requests: 1, ...tokens, cost_day: 0, cost_month: 0 });
    expect(soFar(size, FIRST_RATIO, 30, priceOf(price))).toEqual(used(100, 30, priceOf(price)));
  });

  test.each<[Actual, string]>([
    [UNSENT, 'nothing'],
    [TURNED_AWAY, 'the call'],
  ])('%j: charged is %s', (actual, what) => {
    const { requests, ...others } = actual;
    expect(requests).toBe(what === 'nothing' ? 0 : 1);
    expect(Object.keys(others).toSorted()).toEqual(['cost_day', 'cost_month', 'input_tokens', 'output_tokens', 'tokens']);
    expect(Object.values(others).every((amount) => amount === 0)).toBe(true);
  });

  test('a failed call is charged by what its upstream may have done', () => {
    for (const reason of [undefined, ...REASONS]) expect(chargeOfFailure(false, reason)).toBe(UNSENT);
    const kept = REASONS.filter((reason) => chargeOfFailure(true, reason) === UNKNOWN);
    expect(kept.toSorted()).toEqual(['connection', 'malformed_response', 'overloaded', 'server_error', 'timeout']);
    for (const reason of [undefined, 'rate_limited', 'context_window', 'auth'] as const) expect(chargeOfFailure(true, reason)).toBe(TURNED_AWAY);
  });
});
