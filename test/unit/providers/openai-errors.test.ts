import { describe, expect, test } from '@jest/globals';
import { classify, classifyBody } from '../../../src/providers/openai/errors.ts';

const NOW = Date.UTC(2026, 0, 1);
const of = (status: number, body: string | object = '', headers: Record<string, string> = {}) => classify(status, (name) => headers[name], Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), () => NOW);
const error = (fields: object) => ({ error: { message: 'x', ...fields } });

describe('reasons', () => {
  test.each<[number, string | object, string | undefined, boolean]>([
    [429, error({ code: 'rate_limit_exceeded', type: 'tokens' }), 'rate_limited', true],
    [429, error({ code: 'insufficient_quota', type: 'insufficient_quota' }), 'quota_exhausted', true],
    [429, error({ code: null, type: 'insufficient_quota' }), 'quota_exhausted', true],
    [429, 'slow down', 'rate_limited', true],
    [429, [{ error: { code: 429, status: 'RESOURCE_EXHAUSTED' } }], 'rate_limited', true],
    [500, error({ type: 'server_error' }), 'server_error', true],
    [503, error({ type: 'server_error' }), 'overloaded', true],
    [504, error({ type: 'server_error' }), 'timeout', true],
    [529, error({ type: 'overloaded_error' }), 'overloaded', true],
    [500, error({ type: 'overloaded_error' }), 'overloaded', true],
    [599, '', 'server_error', true],
    [404, error({ code: 'model_not_found' }), 'not_found', true],
    [404, error({ code: 'DeploymentNotFound' }), 'not_found', true],
    [400, error({ code: 'invalid_api_key' }), 'auth', true],
    [400, error({ code: 'context_length_exceeded' }), 'context_window', false],
    [400, error({ message: "This model's maximum context length is 10 tokens.", code: 400 }), 'context_window', false],
    [400, error({ code: 'content_filter' }), 'content_policy', false],
    [400, error({ type: 'invalid_request_error', code: null }), undefined, false],
    [400, error({ code: '__proto__', type: 'toString' }), undefined, false],
    [400, '', undefined, false],
    [413, '<html>', undefined, false],
    [422, { detail: [{ msg: 'x' }] }, undefined, false],
    [301, '', 'malformed_response', true],
    [400, { object: 'error', message: 'maximum context length', code: 40303 }, 'context_window', false],
  ])('%d %j', (status, body, reason, divert) => {
    expect(of(status, body)).toMatchObject({ reason, divert });
  });

  test.each<[object, string]>([
    [error({ code: 503 }), 'overloaded'], [error({ code: 429 }), 'rate_limited'], [error({ code: 599 }), 'server_error'], [error({ code: 'rate_limit_exceeded' }), 'rate_limited'], [error({ type: 'overloaded_error' }), 'overloaded'], [error({}), 'server_error'], [{ error: 'text' }, 'server_error'],
  ])('inside an answer: %j', (body, reason) => {
    expect(classifyBody(200, body)).toEqual({ reason, divert: true });
  });
});

test.each<[Record<string, string>, number | undefined]>([
  [{}, undefined],
  [{ 'retry-after': '20' }, 20_000],
  [{ 'retry-after': '0.5' }, 500],
  [{ 'retry-after-ms': '120', 'retry-after': '20' }, 120],
  [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }, 30_000],
  [{ 'retry-after': 'Thu, 01 Jan 2025 00:00:30 GMT' }, 0],
  [{ 'retry-after': 'soon' }, undefined],
  [{ 'retry-after-ms': '-5' }, undefined],
])('the wait of %j', (headers, ms) => {
  expect(of(429, '', headers).retryAfterMs).toBe(ms);
});
