/**
 * What an OpenAI-style error means, by code first, then type, then text, then status; OpenAI's own codes, and those of
 * servers that speak its format (Azure, vLLM, Gemini wraps the body in an array). Sources: recorded bodies of each.
 */
import type { Reason } from '../../wire/reasons.ts';
import { field, isRecord, parseJson, stringField } from '../../wire/record.ts';
import { retryAfterMs } from '../../wire/retry-after.ts';
import type { Failure, HeaderReader } from '../types.ts';

const BY_CODE: Readonly<Record<string, Reason>> = {
  insufficient_quota: 'quota_exhausted',
  billing_hard_limit_reached: 'quota_exhausted',
  rate_limit_exceeded: 'rate_limited',
  context_length_exceeded: 'context_window',
  content_policy_violation: 'content_policy',
  content_filter: 'content_policy',
  invalid_prompt: 'content_policy',
  model_not_found: 'not_found',
  DeploymentNotFound: 'not_found',
  invalid_api_key: 'auth',
};

const BY_TYPE: Readonly<Record<string, Reason>> = {
  insufficient_quota: 'quota_exhausted',
  authentication_error: 'auth',
  permission_error: 'auth',
  // Not `server_error`: OpenAI's 503 has that type, too, and there the status says more.
  overloaded_error: 'overloaded',
};

const BY_STATUS: Readonly<Record<number, Reason>> = {
  401: 'auth',
  402: 'quota_exhausted',
  403: 'auth',
  404: 'not_found',
  408: 'timeout',
  409: 'server_error',
  429: 'rate_limited',
  503: 'overloaded',
  504: 'timeout',
  529: 'overloaded',
};

const CONTEXT_TEXT = /maximum context length|context window|prompt is too long/i;

/** These lie in the request itself; another model is asked only where the configuration says so. */
const CALLERS_OWN: ReadonlySet<Reason> = new Set<Reason>(['context_window', 'content_policy']);

export function classify(status: number, header: HeaderReader, body: Buffer, wallClock: () => number): Failure {
  const failure = classifyBody(status, parseJson(body.toString()));
  return { ...failure, retryAfterMs: retryAfterMs(header, wallClock) };
}

/** @param status the HTTP status; 200 for an error that came inside an answer */
export function classifyBody(status: number, body: unknown): Failure {
  const error = errorOf(body);
  const reason = reasonOf(status, error);
  return { reason, divert: reason !== undefined && !CALLERS_OWN.has(reason) };
}

function reasonOf(status: number, error: unknown): Reason | undefined {
  const code = stringField(error, 'code');
  const type = stringField(error, 'type');
  const byCode = code === undefined ? undefined : ownValue(BY_CODE, code);
  // 404 for something other than the model, and other answers of a healthy upstream, are told by the status.
  if (byCode !== undefined) return byCode;
  if (status === 200) return (type === undefined ? undefined : ownValue(BY_TYPE, type)) ?? reasonOfNumber(field(error, 'code')) ?? 'server_error';
  if (status === 400 && CONTEXT_TEXT.test(stringField(error, 'message') ?? '')) return 'context_window';
  const byType = type === undefined ? undefined : ownValue(BY_TYPE, type);
  if (byType !== undefined && status !== 400) return byType;
  const byStatus = BY_STATUS[status];
  if (byStatus !== undefined) return byStatus;
  if (status >= 500) return 'server_error';
  // A redirect, or a status that no API of this kind gives.
  return status < 400 ? 'malformed_response' : undefined;
}

function reasonOfNumber(code: unknown): Reason | undefined {
  return typeof code === 'number' ? (BY_STATUS[code] ?? (code >= 500 ? 'server_error' : undefined)) : undefined;
}

function errorOf(body: unknown): unknown {
  const outer: unknown = Array.isArray(body) ? body[0] : body;
  const inner = field(outer, 'error');
  return isRecord(inner) ? inner : outer;
}

function ownValue(table: Readonly<Record<string, Reason>>, key: string): Reason | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
