import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { worstWindow, type Arrival } from '../../../src/simulator/worst-window.ts';

/** Every span that begins at a call, counted by hand. */
function bruteForce(arrivals: Arrival[], windowMs: number) {
  const worst = { calls: 0, tokens: 0 };
  for (const { at: start } of arrivals) {
    const inside = arrivals.filter(({ at }) => at >= start && at - start < windowMs);
    worst.calls = Math.max(worst.calls, inside.length);
    worst.tokens = Math.max(worst.tokens, inside.reduce((sum, each) => sum + each.reservedTokens, 0));
  }
  return worst;
}

const arrivals = fc.array(fc.record({ at: fc.integer({ min: 0, max: 300 }), reservedTokens: fc.integer({ min: 0, max: 50 }) }), { maxLength: 60 });

describe('worstWindow', () => {
  test('is what counting every window gives', () => {
    fc.assert(fc.property(arrivals, fc.integer({ min: 1, max: 120 }), (calls, windowMs) => {
      expect(worstWindow(calls, windowMs)).toEqual(bruteForce(calls, windowMs));
    }));
  });

  test('two calls one window apart are not in one window', () => {
    const calls = [{ at: 0, reservedTokens: 1 }, { at: 60_000, reservedTokens: 1 }];
    expect(worstWindow(calls, 60_000)).toEqual({ calls: 1, tokens: 1 });
    expect(worstWindow(calls, 60_001)).toEqual({ calls: 2, tokens: 2 });
  });

  test('nothing in nothing', () => {
    expect(worstWindow([], 1000)).toEqual({ calls: 0, tokens: 0 });
  });
});
