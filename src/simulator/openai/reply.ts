/** An answer in one piece, and the ways in which it breaks. */
import { endCall, type Exchange } from '../exchange.ts';
import type { Fault } from '../faults.ts';
import { createSink, pause } from '../sink.ts';
import type { Encoding } from '../encoding.ts';
import type { Refusal } from './errors.ts';
import { commonHeaders, type Headers } from './headers.ts';

export async function sendRefusal(exchange: Exchange, refused: Refusal, extra: Headers = {}, outcome: string = 'refused'): Promise<void> {
  const { res, call } = exchange;
  call.status = refused.status;
  if (res.destroyed || res.headersSent) {
    res.destroy();
    return endCall(exchange, 'client-left');
  }
  res.writeHead(refused.status, {
    'content-type': refused.contentType,
    'content-length': Buffer.byteLength(refused.body),
    ...commonHeaders(exchange),
    ...extra,
    ...refused.headers,
  });
  res.end(refused.body);
  endCall(exchange, outcome);
}

/** A whole answer without faults, in one write. */
export function sendJson(exchange: Exchange, text: string, headers: Headers): void {
  const { res, call } = exchange;
  call.status = 200;
  res.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...commonHeaders(exchange), ...headers });
  res.end(text);
  endCall(exchange, 'complete');
}

/** 200s that are no answer at all; the same with and without stream. */
export function sendNonsense(exchange: Exchange, fault: Fault, headers: Headers, whole: string): boolean {
  const { res, call } = exchange;
  const send = (type: string, body: string, outcome: string): true => {
    call.status = 200;
    res.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body), ...commonHeaders(exchange), ...headers });
    res.end(body);
    endCall(exchange, outcome);
    return true;
  };
  if (fault.emptyBody === true) return send('application/json', '', 'emptyBody');
  if (fault.notJson === true) return send('text/html', '<!doctype html><html><body>It works!</body></html>\n', 'notJson');
  if (fault.truncatedJson === true) return send('application/json', firstHalf(whole), 'truncatedJson');
  return false;
}

export async function sendFaultyJson(exchange: Exchange, fault: Fault, text: string, headers: Headers, encoding: Encoding | undefined): Promise<void> {
  const { res, call, core } = exchange;
  call.status = 200;
  const body = fault.errorEvent === undefined ? faultyText(fault, text) : errorBody();
  // An encoded body's length is not known; a cut one must promise more than it brings.
  const length = encoding === undefined && fault.close === undefined ? { 'content-length': String(Buffer.byteLength(body)) } : { 'content-encoding': encoding ?? 'identity' };
  res.writeHead(200, { 'content-type': 'application/json', ...length, ...commonHeaders(exchange), ...headers });
  const sink = createSink(res, { encoding, slowBytes: fault.slowBytes, random: core.random });
  const half = firstHalf(body);
  if (!(await sink.write(half))) return endCall(exchange, 'client-left');
  if (fault.cut !== undefined) {
    await sink.cut();
    return endCall(exchange, 'cut');
  }
  if (fault.stall !== undefined && !(await pause(res, fault.stall.ms))) return endCall(exchange, 'client-left');
  if (fault.close === undefined && !(await sink.write(body.slice(half.length)))) return endCall(exchange, 'client-left');
  await sink.end();
  const broken = (['close', 'errorEvent', 'malformed'] as const).find((name) => fault[name] !== undefined);
  endCall(exchange, broken ?? (fault.contentFilter === undefined ? 'complete' : 'contentFilter'));
}

function faultyText(fault: Fault, text: string): string {
  return fault.malformed === undefined ? text : text.replace(/"(choices|data)":/, '"$1"');
}

export function errorBody(): string {
  return JSON.stringify({
    error: { message: 'The server had an error while processing your request. Sorry about that!', type: 'server_error', param: null, code: null },
  });
}

function firstHalf(text: string): string {
  return text.slice(0, Math.ceil(text.length / 2));
}
