import { expect, test } from '@jest/globals';
import { assert, integer, jsonValue, oneof, property, string } from 'fast-check';
import { classify, classifyBody } from '../../../src/providers/openai/errors.ts';
import { REASONS } from '../../../src/wire/reasons.ts';
import { ROWS } from './openai-errors-bodies.ts';

const NOW = Date.UTC(2026, 0, 1);
const of = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  classify(status, (name) => headers[name], Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), () => NOW);

test.each(ROWS)('$status $name', ({ status, headers, body, reason, divert, retryAfterMs }) => {
  const failure = status === 200 ? classifyBody(200, body) : of(status, body, headers);
  expect(failure).toEqual({ reason, divert, retryAfterMs });
});

test('each row has a name of its own', () => {
  expect(new Set(ROWS.map(({ name }) => name)).size).toBe(ROWS.length);
});

test.each([
  ['Please try again in 1.2s. Visit', 1200],
  ['please try again in 6m0s.', 360_000],
  ['Please retry after 1 second.', 1000],
  ['Please wait 90 seconds before retrying', 90_000],
  ['Try again in 2 minutes 30 secs', 150_000],
  ['Try again in 1 hour', 3_600_000],
  ['Try again in 1d', 86_400_000],
  ['retry in 250 milliseconds', 250],
  ['try again in 0.2ms', 1],
  ['Please try again later.', undefined],
  ['retry 2 models', undefined],
  ['Try again in 5 requests', undefined],
  ['no wait, it was 5s', undefined],
])('the wait in %j', (message, ms) => {
  expect(of(429, { error: { message } }).retryAfterMs).toBe(ms);
});

test.each([500, 502, 401, 404, 400])('a time in the text of a %d is none to wait', (status) => {
  expect(of(status, { error: { message: 'Try again in 5s' } }).retryAfterMs).toBeUndefined();
});

test('a long text is read at its beginning only', () => {
  expect(of(400, { error: { message: `${'x '.repeat(5000)}maximum context length` } }).reason).toBeUndefined();
});

test('anything at all is classified, and nothing in it is taken for code', () => {
  const statuses = integer({ min: 200, max: 599 });
  assert(property(statuses, oneof(jsonValue(), string()), (status, body) => {
    const { reason, retryAfterMs } = of(status, body);
    expect(reason === undefined || REASONS.includes(reason)).toBe(true);
    expect(retryAfterMs).toBeUndefined();
  }));
});
