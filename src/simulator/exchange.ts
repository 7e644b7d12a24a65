/** One call on its way: what came in, where its answer goes, and its line in the log. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallLog } from './call-log.ts';
import type { Encoding } from './encoding.ts';
import type { FaultStore } from './faults.ts';
import type { FileStore } from './files.ts';
import type { ModelTable } from './models.ts';
import type { SimCall } from './types.ts';

/** What all calls share. */
export type Core = {
  clock: () => number;
  random: () => number;
  apiKeys: ReadonlySet<string> | undefined;
  lenient: boolean;
  encoding: Encoding | undefined;
  keepBodies: boolean;
  maxBodyBytes: number;
  prefix: string;
  models: ModelTable;
  faults: FaultStore;
  files: FileStore;
  log: CallLog;
};

export type Exchange = {
  core: Core;
  req: IncomingMessage;
  res: ServerResponse;
  /** Without query and prefix. */
  path: string;
  body: Buffer;
  call: SimCall;
};

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});
const OF_INTEREST = /^(x-|traceparent$|tracestate$|baggage$|content-encoding$|accept-encoding$|openai-|idempotency-key$)/;

export function newCall(core: Core, req: IncomingMessage, path: string): SimCall {
  const now = core.clock();
  return {
    at: now, receivedAt: now, endedAt: 0,
    method: req.method ?? '', path, model: '',
    admitted: false, status: 0, stream: false,
    promptTokens: 0, maxTokens: 0, reservedTokens: 0, completionTokens: 0,
    outcome: 'pending', fault: undefined,
    authorization: req.headers.authorization,
    headers: headersOf(req, core.keepBodies),
    body: undefined,
  };
}

/** Counted now: the log is in this order, and the limits see this time. */
export function countCall(core: Core, call: SimCall): void {
  call.at = core.clock();
  core.log.push(call);
}

/** The first word holds: a client that leaves a broken answer does not change what broke it. */
export function endCall(exchange: Exchange, outcome: string): void {
  const { call, core } = exchange;
  if (call.outcome === 'pending') call.outcome = outcome;
  call.endedAt = core.clock();
}

function headersOf(req: IncomingMessage, all: boolean): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  let any = false;
  for (const name in req.headers) {
    if (!all && !OF_INTEREST.test(name)) continue;
    const value = req.headers[name];
    kept[name] = Array.isArray(value) ? value.join(', ') : (value ?? '');
    any = true;
  }
  return any ? kept : NO_HEADERS;
}
