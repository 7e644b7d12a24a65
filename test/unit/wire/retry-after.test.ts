import { expect, test } from '@jest/globals';
import { retryAfterMs } from '../../../src/wire/retry-after.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');

test.each([
  [{ 'retry-after': '2' }, 2000],
  [{ 'retry-after': '0.5' }, 500],
  [{ 'retry-after': '7', 'retry-after-ms': '1500' }, 1500],
  [{ 'retry-after': 'Sat, 21 Nov 2026 12:00:30 GMT' }, 30_000],
  [{ 'retry-after': 'Sat, 21 Nov 2026 11:00:00 GMT' }, 0],
  [{ 'retry-after': '-1' }, undefined],
  [{ 'retry-after': 'soon' }, undefined],
  [{}, undefined],
] as const)('%j', (headers, ms) => {
  expect(retryAfterMs((name) => (headers as Record<string, string>)[name], () => NOW)).toBe(ms);
});
