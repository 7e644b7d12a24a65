/** A stream that is held until it is whole, and what an attempt says of a stream that broke. */
import { describe, expect, test } from '@jest/globals';
import { Writable } from 'node:stream';
import { openAiRequestReader } from '../../../src/providers/openai/request.ts';
import { RawStream } from '../../../src/upstream/raw-stream.ts';
import { begin, now, pending } from './begin.ts';
import { answer, chunkOf, Feed, FIRST, sse, Taker } from './feed.ts';

const request = openAiRequestReader('chat')(Buffer.from('{"model":"m","messages":[],"stream":true}'), '');
const whole = answer(FIRST, ['a', 'b', 'c']);
const bytes = (...events: string[]): Buffer => Buffer.from(events.join(''));

/** An attempt whose stream has begun. */
function buffered(held?: number) {
  const all = begin({ stream: true, recovery: 'buffer', ...(held !== undefined && { held }) });
  all.attempt.onRequestStart(all.controller);
  all.headers();
  const push = (...events: string[]): void => all.attempt.onResponseData(all.controller, bytes(...events));
  return { ...all, push };
}

describe('buffer', () => {
  test('nothing is given out before it is whole; then all, held until the connection has it', async () => {
    const { attempt, push, held } = buffered(10_000);
    push(...whole.slice(0, 3));
    push(...whole.slice(3, -1));
    expect(await now(attempt.outcome)).toBe(pending);
    expect(held.used).toBe(bytes(...whole.slice(0, -1)).length);
    push('data: [DONE]\n\n');
    const outcome = await attempt.outcome;
    if (outcome.kind !== 'stream') throw new Error(outcome.kind);
    const sink = new Taker();
    const end = await outcome.stream.pipe(sink);
    expect(sink.text).toBe(whole.join(''));
    expect(end).toEqual({ whole: true, failure: undefined, usage: undefined, counted: 3, leftOut: 0, soFar: undefined, held: sink.text.length });
    expect(held.used).toBe(sink.text.length);
  });

  test.each([
    ['the connection breaks', 'connection', (b: ReturnType<typeof buffered>) => b.attempt.onResponseError(b.controller, new Error('reset'))],
    ['it ends without an end', 'malformed_response', (b: ReturnType<typeof buffered>) => b.attempt.onResponseEnd()],
    ['a damaged event', 'malformed_response', (b: ReturnType<typeof buffered>) => b.push('data: {"cho\n\n')],
    ['an error event', 'overloaded', (b: ReturnType<typeof buffered>) => b.push('data: {"error":{"type":"overloaded_error"}}\n\n')],
    ['silence', 'timeout', (b: ReturnType<typeof buffered>) => b.at(50)],
  ])('%s midway: an ordinary failure, with what was used', async (_, reason, strike) => {
    const b = buffered(10_000);
    b.push(...whole.slice(0, 3));
    strike(b);
    expect(await b.attempt.outcome).toEqual({ kind: 'failed', failure: expect.objectContaining({ reason, divert: true }), sent: true, silent: false, spent: { usage: undefined, counted: 2 } });
    expect(b.held.used).toBe(0);
  });

  test('before the first content the time of the first token counts, then that of silence', async () => {
    const b = buffered(10_000);
    b.push(whole[0]!);
    b.at(199);
    b.push(whole[1]!);
    b.at(248);
    b.push(whole[2]!);
    b.at(297);
    expect(await now(b.attempt.outcome)).toBe(pending);
    b.at(298);
    expect(await b.attempt.outcome).toMatchObject({ kind: 'failed', failure: { reason: 'timeout' }, silent: false });
  });

  test('the caller leaves: nothing stays held', async () => {
    const b = buffered(10_000);
    b.push(...whole.slice(0, 3));
    b.attempt.closed();
    expect(await b.attempt.outcome).toEqual({ kind: 'aborted', sent: true, spent: { usage: undefined, counted: 2 } });
    expect({ held: b.held.used, did: b.did }).toEqual({ held: 0, did: ['abort'] });
  });

  test('whole but for its end mark when the connection breaks: whole', async () => {
    const b = buffered(10_000);
    b.push(...whole.slice(0, -1));
    b.attempt.onResponseError(b.controller, new Error('reset'));
    const outcome = await b.attempt.outcome;
    if (outcome.kind !== 'stream') throw new Error(outcome.kind);
    const sink = new Taker();
    expect(await outcome.stream.pipe(sink)).toMatchObject({ whole: true });
    expect(sink.text).toBe(whole.join(''));
  });

  test('what does not fit any more is given out as it comes: in order, and the upstream waits meanwhile', async () => {
    const b = buffered(bytes(...whole.slice(0, 3)).length);
    b.push(...whole.slice(0, 2));
    expect(await now(b.attempt.outcome)).toBe(pending);
    // Two runs in one chunk, with an event between that goes nowhere.
    b.push(whole[2]!, whole[3]!, 'data: ping\n\n', sse(chunkOf(FIRST, { content: 'd' })));
    const outcome = await b.attempt.outcome;
    if (outcome.kind !== 'stream') throw new Error(outcome.kind);
    expect(b.did).toEqual(['pause']);
    b.at(500);
    const sink = new Taker();
    const end = outcome.stream.pipe(sink);
    expect(b.did).toEqual(['pause', 'resume']);
    b.push(...whole.slice(4));
    expect(sink.text).toBe(whole.slice(0, 4).join('') + sse(chunkOf(FIRST, { content: 'd' })) + whole.slice(4).join(''));
    const { held } = await end;
    expect(held).toBe(b.held.used);
    b.held.give(held);
    expect(b.held.used).toBe(0);
  });

  test('after that a break is a break', async () => {
    const b = buffered(bytes(...whole.slice(0, 2)).length);
    b.push(...whole.slice(0, 2));
    b.push(whole[2]!);
    const outcome = await b.attempt.outcome;
    if (outcome.kind !== 'stream') throw new Error(outcome.kind);
    const end = outcome.stream.pipe(new Taker());
    b.attempt.onResponseError(b.controller, new Error('reset'));
    expect(await end).toMatchObject({ whole: false, failure: { reason: 'connection' }, counted: 2 });
  });
});

describe('what an attempt says of a stream', () => {
  test('events left out are counted', async () => {
    const feed = new Feed(request.streamReader());
    const sink = new Taker();
    const end = feed.stream.pipe(sink);
    feed.push(bytes(whole[0]!, 'data:\n\n', whole[1]!, 'event: ping\n\n', ...whole.slice(2)));
    expect(await end).toMatchObject({ whole: true, leftOut: 2, held: 0 });
    expect(sink.text).toBe(whole.join(''));
  });

  test('the text so far is kept only with continue, and told only of a break', async () => {
    for (const [recovery, text] of [['continue', 'ab'], ['error', undefined], [undefined, undefined]] as const) {
      const all = begin({ stream: true, request, ...(recovery && { recovery }), held: 10_000 });
      all.attempt.onRequestStart(all.controller);
      all.headers();
      all.attempt.onResponseData(all.controller, bytes(...whole.slice(0, 3)));
      const outcome = await all.attempt.outcome;
      if (outcome.kind !== 'stream') throw new Error(outcome.kind);
      const end = outcome.stream.pipe(new Taker());
      all.attempt.onResponseError(all.controller, new Error('reset'));
      expect((await end).soFar?.text).toBe(text);
    }
    const left = begin({ stream: true, request, recovery: 'continue', held: 10_000 });
    left.attempt.onRequestStart(left.controller);
    left.headers();
    left.attempt.onResponseData(left.controller, bytes(...whole.slice(0, 3)));
    const outcome = await left.attempt.outcome;
    if (outcome.kind !== 'stream') throw new Error(outcome.kind);
    const end = outcome.stream.pipe(new Taker());
    left.attempt.closed();
    expect(await end).toMatchObject({ whole: false, failure: undefined, soFar: undefined });
  });

  test('half a stream does not go on as JSON', async () => {
    const soFar = { text: 'a', tokens: 1, textTokens: 1, input: undefined, identity: {} };
    const all = begin({ request: request.continued(soFar, 'prefill') });
    all.attempt.onRequestStart(all.controller);
    all.headers('application/json');
    expect(await all.attempt.outcome).toEqual({ kind: 'failed', failure: { reason: 'malformed_response', divert: true }, sent: true, silent: false });
    expect(all.did).toEqual(['abort']);
  });

  test('a prefill that is refused: the status and no reason of its own', async () => {
    const soFar = { text: 'a', tokens: 1, textTokens: 1, input: undefined, identity: {} };
    const all = begin({ request: request.continued(soFar, 'prefill') });
    all.attempt.onRequestStart(all.controller);
    all.attempt.onResponseStart(all.controller, 400, { 'content-type': 'application/json' });
    all.attempt.onResponseData(all.controller, Buffer.from('{"error":{"message":"Expected last role User or Tool","type":"invalid_request_error"}}'));
    all.attempt.onResponseEnd();
    expect(await all.attempt.outcome).toMatchObject({ kind: 'failed', failure: { reason: undefined, divert: false }, head: { status: 400 } });
  });
});

test('a raw stream gives out what it holds before the upstream brings more', async () => {
  const out: string[] = [];
  const tap = { pause: () => undefined, resume: () => raw.push(Buffer.from('b')) };
  const raw: RawStream = new RawStream([Buffer.from('a')], tap);
  const end = raw.pipe(new Writable({ write: (chunk: Buffer, _encoding, callback) => (out.push(chunk.toString()), callback()) }));
  raw.end();
  await end;
  expect(out).toEqual(['a', 'b']);
});
