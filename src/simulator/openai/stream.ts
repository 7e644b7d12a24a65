/** A streamed answer, in its pace, with the faults that may strike midway. */
import { endCall, type Exchange } from '../exchange.ts';
import type { Fault } from '../faults.ts';
import { createSink, pause, type Sink } from '../sink.ts';
import type { Encoding } from '../encoding.ts';
import { commonHeaders, type Headers } from './headers.ts';
import type { Chunk } from './render.ts';
import { errorBody } from './reply.ts';

export type Pace = { firstTokenMs: number; tokensPerSecond: number };

export type Stream = { chunks: Iterable<Chunk>; totalTokens: number; pace: Pace; fault: Fault; encoding: Encoding | undefined; headers: Headers };

/** Events that are due together go out in one write of about this size. */
const BATCH = 8192;

export async function sendStream(exchange: Exchange, stream: Stream): Promise<void> {
  const { res, core, call } = exchange;
  const { fault, encoding } = stream;
  call.status = 200;
  res.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    ...commonHeaders(exchange),
    ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
    ...stream.headers,
  });
  const sink = createSink(res, { encoding, slowBytes: fault.slowBytes, random: core.random });
  const outcome = await play(exchange, stream, sink);
  endCall(exchange, outcome);
  // Frees the packer of an encoded answer that nobody reads any more.
  if (outcome === 'client-left') await sink.cut();
}

async function play(exchange: Exchange, stream: Stream, sink: Sink): Promise<string> {
  const { res, call } = exchange;
  const { fault, pace, totalTokens } = stream;
  const newline = fault.crlf === true ? '\r\n' : '\n';
  const event = (data: string): string => `data: ${data}${newline}${newline}`;
  // A point beyond the end of the answer strikes at its end.
  const point = (after: number | undefined): number => (after === undefined ? -1 : Math.min(after, totalTokens));
  const at = { cut: point(fault.cut), close: point(fault.close), errorEvent: point(fault.errorEvent), stall: point(fault.stall?.after) };
  const malformed = fault.malformed === undefined ? -1 : Math.max(1, Math.min(fault.malformed, totalTokens));
  let sent = 0;
  let batch = '';
  let stalled = false;
  const flush = async (): Promise<boolean> => {
    const text = batch;
    batch = '';
    if (text === '') return !res.destroyed;
    const open = await sink.write(text);
    call.completionTokens = sent;
    return open;
  };

  if (pace.firstTokenMs > 0) {
    res.flushHeaders();
    if (!(await pause(res, pace.firstTokenMs))) return 'client-left';
  }
  const started = performance.now();
  for (const chunk of stream.chunks) {
    if (sent === at.cut) {
      if (!(await flush())) return 'client-left';
      await sink.cut();
      return 'cut';
    }
    if (sent === at.close) {
      if (!(await flush())) return 'client-left';
      await sink.end();
      return 'close';
    }
    if (sent === at.errorEvent) {
      batch += event(errorBody());
      if (!(await flush())) return 'client-left';
      await sink.end();
      return 'errorEvent';
    }
    if (sent === at.stall && !stalled) {
      stalled = true;
      res.flushHeaders();
      if (!(await flush()) || !(await pause(res, fault.stall!.ms))) return 'client-left';
    }
    if (chunk.tokens === 1 && pace.tokensPerSecond > 0 && sent > 0) {
      const due = started + (sent * 1000) / pace.tokensPerSecond;
      const wait = due - performance.now();
      if (wait > 1 && (!(await flush()) || !(await pause(res, wait)))) return 'client-left';
    }
    sent += chunk.tokens;
    const isBroken = chunk.tokens === 1 && sent === malformed;
    batch += event(isBroken ? chunk.data.slice(0, chunk.data.indexOf('"choices"') + 20) : chunk.data);
    if (batch.length >= BATCH && !(await flush())) return 'client-left';
  }
  if (fault.noDone !== true) batch += event('[DONE]');
  if (!(await flush())) return 'client-left';
  await sink.end();
  call.completionTokens = sent;
  if (fault.noDone === true) return 'noDone';
  if (malformed !== -1) return 'malformed';
  return fault.contentFilter === undefined ? 'complete' : 'contentFilter';
}
