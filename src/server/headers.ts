/** Which headers go on to the upstream, which come back to the caller, and which are ours. */
import type { AnswerHeaders } from '../wire/http.ts';
import type { Level } from '../budgets/types.ts';
import { goDuration } from '../wire/go-duration.ts';
import type { Reason } from '../wire/reasons.ts';

/** RFC 9110, 7.6.1: of one connection only. */
const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'];

const NOT_FORWARDED = new Set([
  ...HOP_BY_HOP,
  // Set anew for the upstream.
  'host', 'content-length', 'expect', 'accept-encoding', 'content-encoding',
  // The app's credentials and accounts are not the model's.
  'authorization', 'x-api-key', 'api-key', 'cookie', 'openai-organization', 'openai-project',
  // A provider is told nothing about the app's network or its traces.
  'forwarded', 'via', 'x-real-ip', 'traceparent', 'tracestate', 'baggage', 'origin', 'referer',
]);
const NOT_FORWARDED_PREFIXES = ['x-spillway-', 'x-forwarded-', 'sec-'];

const NOT_RETURNED = new Set([
  ...HOP_BY_HOP,
  'content-length', 'content-encoding', 'date', 'set-cookie', 'alt-svc', 'strict-transport-security', 'x-should-retry',
]);
const NOT_RETURNED_PREFIXES = ['x-ratelimit-', 'anthropic-ratelimit-', 'x-spillway-', 'access-control-'];

/**
 * Adds the caller's headers that the upstream may see to `list`, as name and value in turn.
 * @param own names that are set for the model itself
 */
export function addForwardable(list: string[], raw: readonly string[], connection: string | undefined, own: ReadonlySet<string>): void {
  const named = namedBy(connection);
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (!isForwardable(name) || own.has(name) || named?.includes(name)) continue;
    list.push(name, raw[i + 1]!);
  }
}

/** Adds the upstream's headers that the caller may see to `list`, as name and value in turn. */
export function addReturnable(list: string[], headers: AnswerHeaders): void {
  const named = namedBy(headers['connection']);
  for (const name in headers) {
    if (!isReturnable(name) || named?.includes(name)) continue;
    const value = headers[name];
    if (typeof value === 'string') list.push(name, value);
    else for (const one of value ?? []) list.push(name, one);
  }
}

export function isForwardable(name: string): boolean {
  return !NOT_FORWARDED.has(name) && !startsWithOne(name, NOT_FORWARDED_PREFIXES);
}

export function isReturnable(name: string): boolean {
  return !NOT_RETURNED.has(name) && !startsWithOne(name, NOT_RETURNED_PREFIXES);
}

/** A plain loop: it is run for each header of each request. */
function startsWithOne(name: string, prefixes: readonly string[]): boolean {
  for (const prefix of prefixes) if (name.startsWith(prefix)) return true;
  return false;
}

/** What `Connection` names is of one connection only, too. */
export function namedBy(connection: string | readonly string[] | undefined): string[] | undefined {
  // As nearly every server and client says it: such a header is dropped anyhow.
  if (connection === undefined || connection === 'keep-alive') return undefined;
  return connection.toString().toLowerCase().split(',').map((name) => name.trim());
}

export interface Served {
  readonly model: string;
  readonly group: string;
  readonly fallback: boolean;
  readonly reason: Reason | undefined;
  readonly attempts: number;
  readonly overheadMs: number;
  readonly levels: readonly Level[];
}

const RATE_LIMIT = {
  requests: { limit: 'x-ratelimit-limit-requests', remaining: 'x-ratelimit-remaining-requests', reset: 'x-ratelimit-reset-requests' },
  tokens: { limit: 'x-ratelimit-limit-tokens', remaining: 'x-ratelimit-remaining-tokens', reset: 'x-ratelimit-reset-tokens' },
} as const;

/** Adds the contract's headers on every answer of a model to `list`. */
export function addServed(list: string[], served: Served): void {
  list.push('x-spillway-model', served.model, 'x-spillway-group', served.group);
  list.push('x-spillway-fallback', served.fallback ? 'true' : 'false', 'x-spillway-attempts', String(served.attempts));
  list.push('x-spillway-overhead-ms', served.overheadMs.toFixed(2));
  if (served.reason !== undefined) list.push('x-spillway-reason', served.reason);
  for (const { dimension, limit, used, resetMs } of served.levels) {
    if (dimension !== 'requests' && dimension !== 'tokens') continue;
    const names = RATE_LIMIT[dimension];
    list.push(names.limit, String(limit), names.remaining, String(Math.max(0, limit - used)), names.reset, goDuration(resetMs));
  }
}
