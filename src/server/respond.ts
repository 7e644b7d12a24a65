/** Errors in OpenAI's dialect: the body of an answer, or an event of a stream. */
import type { ServerResponse } from 'node:http';
import type { Refusal } from '../budgets/types.ts';
import { SpillwayError } from '../errors.ts';
import { statusOf, type Reason } from '../wire/reasons.ts';

/** A model that did not serve the request, and why. */
export interface Tried {
  readonly model: string;
  readonly reason: Reason;
  /** Until it may have room, in ms; -1 never for this request, undefined not known. */
  readonly waitMs?: number | undefined;
}

/** The official SDKs wait for no longer than this (openai-node: 60 s). */
const LONGEST_WAIT_MS = 60_000;

const REASON_OF: Readonly<Record<Refusal['dimension'], Reason>> = {
  requests: 'budget_requests',
  tokens: 'budget_tokens',
  input_tokens: 'budget_tokens',
  output_tokens: 'budget_tokens',
  concurrency: 'budget_concurrency',
  cost_day: 'budget_cost',
  cost_month: 'budget_cost',
  cooldown: 'cooldown',
  circuit_open: 'circuit_open',
};

/** The engine's 0 is "not known": nobody can say when a concurrent request ends. */
export function triedFor(model: string, { dimension, waitMs }: Refusal): Tried {
  return { model, reason: REASON_OF[dimension], waitMs: waitMs === 0 ? undefined : waitMs };
}

export interface Refused {
  readonly status: number;
  readonly headers: string[];
  readonly body: string;
  readonly reason: Reason;
}

/** The answer when no model could serve. @param decisive what decides whatever the models' reasons are: the deadline passed */
export function refusal(group: string, tried: readonly Tried[], decisive?: Reason): Refused {
  const reasons = decisive === undefined ? tried.map((one) => one.reason) : [decisive];
  const reason = reasons[0] ?? 'connection';
  const status = statusOf(reasons);
  const headers = ['content-type', 'application/json'];
  const waits = tried.map((one) => one.waitMs).filter((wait) => wait !== undefined && wait >= 0);
  const wait = waits.length > 0 ? Math.min(...waits.map(Number)) : undefined;
  const never = tried.length > 0 && tried.every((one) => one.waitMs === -1);
  if (wait !== undefined) headers.push('retry-after', String(Math.ceil(wait / 1000)), 'retry-after-ms', String(Math.ceil(wait)));
  if (never || (wait !== undefined && wait > LONGEST_WAIT_MS)) headers.push('x-should-retry', 'false');
  const body = errorBody(messageFor(group, tried, wait, never), status, reason, tried);
  headers.push('content-length', String(Buffer.byteLength(body)));
  return { status, headers, body, reason };
}

function messageFor(group: string, tried: readonly Tried[], wait: number | undefined, never: boolean): string {
  const list = tried.map((one) => `${one.model}: ${one.reason}`).join(', ');
  const advice = never
    ? 'The request is larger than the whole budget of each model: shorten it or lower max_tokens.'
    : wait === undefined
      ? 'See error.spillway.tried.'
      : `There is room in ${(wait / 1000).toFixed(1)} s.`;
  return `No model of "${group}" could serve this request (${list}). ${advice}`;
}

function errorBody(message: string, status: number, code: string, tried?: readonly Tried[]): string {
  const spillway = tried && { tried: tried.map(({ model, reason }) => ({ model, reason })) };
  return JSON.stringify({ error: { message, type: typeOf(status), param: null, code, ...(spillway && { spillway }) } });
}

/** OpenAI's error types by status. */
function typeOf(status: number): string {
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

/** The last event of a stream that broke: the official clients throw on it, so that half an answer is never taken for a whole. */
export function brokenStreamEvent(model: string, reason: Reason): string {
  const message = `The answer of ${model} broke off (${reason}); what came so far is not the whole answer.`;
  const error = { message, type: 'server_error', param: null, code: reason, spillway: { tried: [{ model, reason }] } };
  return `data: ${JSON.stringify({ error })}\n\n: spillway ${JSON.stringify({ outcome: 'broken', reason })}\n\n`;
}

/** What the headers could not say when they were sent. */
export function continuedComment(models: readonly string[], tried: readonly Tried[]): string {
  return `: spillway ${JSON.stringify({ outcome: 'continued', models, reason: tried.at(-1)?.reason })}\n\n`;
}

/** Spillway's own answer to a request that it cannot take. */
export function sendError(res: ServerResponse, error: SpillwayError): void {
  if (res.headersSent || res.destroyed) return void res.destroy();
  const body = errorBody(error.message, error.status, error.code);
  const headers: Record<string, string> = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
  if (error.retryAfter !== undefined) headers['retry-after'] = String(error.retryAfter);
  // The rest of a body that was not read must not be taken for the next request.
  if (!res.req.complete) headers['connection'] = 'close';
  res.writeHead(error.status, headers).end(body);
}
