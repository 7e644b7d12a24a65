import { describe, expect, test } from '@jest/globals';
import { assert, integer, property, string } from 'fast-check';
import { formatDuration, parseDuration } from '../../../src/wire/duration.ts';
import { distance, nearest } from '../../../src/wire/nearest.ts';

describe('durations', () => {
  test.each([['250ms', 250], ['10s', 10_000], ['5m', 300_000], ['1h', 3_600_000], ['0', 0], ['0ms', 0], ['1.5s', 1500], ['576h', 2_073_600_000]])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms));
  test.each(['', '10', '1', '10 s', '-1s', '1d', '1e3s', '.5s', '1.s', '1m30s', '٣s', '700h', '99999999999s', ' 1s', '1s\n'])('not %j', (text) => expect(parseDuration(text)).toBeNull());
  test('there and back', () => assert(property(integer({ min: 0, max: 2_147_483_647 }), (ms) => expect(parseDuration(formatDuration(ms))).toBe(ms))));
});

describe('nearest', () => {
  test.each([
    ['requests_per_minute', 'requestsPerMinute'],
    ['requestPerMinute', 'requestsPerMinute'],
    ['modle', 'model'],
    ['fallbacks', 'fallback'],
    ['a', undefined],
    ['zzzzzz', undefined],
  ])('%s', (name, wanted) => expect(nearest(name, ['model', 'fallback', 'requestsPerMinute', 'b'])).toBe(wanted));

  test('a distance is one: symmetric, zero for equals, bounded', () =>
    assert(
      property(string({ maxLength: 12 }), string({ maxLength: 12 }), (a, b) => {
        const d = distance(a, b);
        expect(d).toBe(distance(b, a));
        expect(d === 0).toBe(a === b);
        expect(d).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(distance(a, b, 2)).toBe(Math.min(d, 3));
      }),
    ));
});
