import { afterEach, describe, expect, test } from '@jest/globals';
import { Writable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { openai } from '../../../src/providers/openai/index.ts';
import { openAiRequestReader } from '../../../src/providers/openai/request.ts';
import { Attempt } from '../../../src/upstream/attempt.ts';
import { CoarseTimer } from '../../../src/wire/coarse-timer.ts';
import { HeldBytes } from '../../../src/wire/held-bytes.ts';

const read = openAiRequestReader('chat');
let attempts: Attempt[] = [];
afterEach(() => {
  for (const attempt of attempts) attempt.closed();
  attempts = [];
});

/** An attempt on a clock of our own, before a dispatcher that does what the test says. */
function begin(options: { stream?: boolean; fresh?: boolean; held?: number; dispatch?: () => void } = {}) {
  let now = 0;
  const timer = new CoarseTimer(() => now, 1_000_000);
  const held = new HeldBytes(options.held ?? 1000);
  const did: string[] = [];
  const controller = { pause: () => did.push('pause'), resume: () => did.push('resume'), abort: () => did.push('abort') } as unknown as Dispatcher.DispatchController;
  const attempt = new Attempt(
    {
      dispatcher: { dispatch: options.dispatch ?? (() => true) } as unknown as Dispatcher,
      origin: 'http://x', path: '/', headers: [], body: Buffer.from(''),
      provider: openai(() => 0),
      request: read(Buffer.from(`{"model":"m","stream":${options.stream ?? false}}`), () => ''),
      timeouts: { connect: 100, firstToken: 200, idle: 50, total: 1000 },
      freshUntil: (options.fresh ?? true) ? Infinity : -1,
    },
    { timer, held },
  ).start();
  attempts.push(attempt);
  const at = (ms: number): void => {
    now = ms;
    timer.tick();
  };
  const event = (delta: string): void => attempt.onResponseData(controller, Buffer.from(`data: {"choices":[{"index":0,"delta":${delta}}]}\n\n`));
  const headers = (type = 'text/event-stream', encoding?: string): void => attempt.onResponseStart(controller, 200, { 'content-type': type, ...(encoding && { 'content-encoding': encoding }) });
  return { attempt, controller, held, did, at, event, headers };
}

const pending = Symbol('pending');
const now = (promise: Promise<unknown>): Promise<unknown> => Promise.race([promise, Promise.resolve(pending).then((p) => p)]);

describe('time-outs', () => {
  test('connect: until the request can be written', async () => {
    const { attempt, at, controller } = begin();
    at(99);
    expect(await now(attempt.outcome)).toBe(pending);
    at(100);
    expect(await attempt.outcome).toEqual({ kind: 'failed', failure: { reason: 'timeout', divert: true }, sent: false });
    // The connection stands at last: nothing is sent on it for this request.
    expect(() => attempt.onRequestStart(controller)).toThrow('given up');
  });

  test('firstToken: keep-alives and the role do not count; then silence does', async () => {
    const { attempt, at, controller, event, headers, held, did } = begin({ stream: true });
    at(50);
    attempt.onRequestStart(controller);
    headers();
    event('{"role":"assistant"}');
    at(249);
    attempt.onResponseData(controller, Buffer.from(': ping\n\n'));
    expect(await now(attempt.outcome)).toBe(pending);
    expect(held.used).toBeGreaterThan(0);
    at(250);
    expect(await attempt.outcome).toMatchObject({ kind: 'failed', failure: { reason: 'timeout' }, sent: true });
    expect({ held: held.used, did }).toEqual({ held: 0, did: ['abort'] });
  });

  test('idle: silence between events, but not while the caller takes nothing', async () => {
    const { attempt, at, controller, event, headers, did } = begin({ stream: true });
    attempt.onRequestStart(controller);
    headers();
    event('{"content":"a"}');
    const outcome = await attempt.outcome;
    if (outcome.kind !== 'stream') throw new Error(outcome.kind);
    let go: (() => void) | undefined;
    const sink = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, callback) => void (go = callback) });
    const end = outcome.stream.pipe(sink);
    event('{"content":"b"}');
    expect(did).toEqual(['pause']);
    at(900);
    expect(await now(end)).toBe(pending);
    go!();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    go!();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    expect(did).toEqual(['pause', 'resume']);
    at(949);
    expect(await now(end)).toBe(pending);
    at(950);
    expect(await end).toMatchObject({ whole: false, failure: { reason: 'timeout' }, counted: 2 });
  });

  test('total: whatever happens', async () => {
    const { attempt, at, controller } = begin();
    attempt.onRequestStart(controller);
    at(999);
    expect(await now(attempt.outcome)).toBe(pending);
    at(1000);
    expect(await attempt.outcome).toMatchObject({ kind: 'failed', failure: { reason: 'timeout' }, sent: true });
  });
});

describe('given up', () => {
  test('before the connection stands: nothing is sent', async () => {
    const { attempt, controller } = begin();
    attempt.closed();
    expect(await attempt.outcome).toEqual({ kind: 'aborted', sent: false });
    expect(() => attempt.onRequestStart(controller)).toThrow('given up');
  });

  test('the reservation too old: nothing is sent', async () => {
    const { attempt, controller, did } = begin({ fresh: false });
    expect(() => attempt.onRequestStart(controller)).toThrow('too old');
    expect(await attempt.outcome).toEqual({ kind: 'stale' });
    expect(did).toEqual([]);
  });

  test.each([['after the headers', 0], ['after the role', 1]])('a stream, %s', async (_, events) => {
    const { attempt, controller, headers, event, held, did } = begin({ stream: true });
    attempt.onRequestStart(controller);
    headers();
    if (events > 0) event('{"role":"assistant"}');
    attempt.closed();
    expect(await attempt.outcome).toEqual({ kind: 'aborted', sent: true });
    expect({ held: held.used, did }).toEqual({ held: 0, did: ['abort'] });
  });

  test('half of a JSON answer', async () => {
    const { attempt, controller, headers, held } = begin();
    attempt.onRequestStart(controller);
    headers('application/json');
    attempt.onResponseData(controller, Buffer.from('{"choices":['));
    expect(held.used).toBe(12);
    attempt.closed();
    expect(await attempt.outcome).toEqual({ kind: 'aborted', sent: true });
    expect(held.used).toBe(0);
  });
});

test('a stream that has no room to wait in fails, and holds nothing', async () => {
  const { attempt, controller, headers, event, held } = begin({ stream: true, held: 150 });
  attempt.onRequestStart(controller);
  headers();
  for (let i = 0; i < 5; i++) event('{"role":"assistant"}');
  expect(await attempt.outcome).toMatchObject({ kind: 'failed' });
  expect(held.used).toBe(0);
});

test.each([
  ['ECONNREFUSED', { code: 'ECONNREFUSED' }, 'connection'],
  ['a time-out of undici', { code: 'UND_ERR_CONNECT_TIMEOUT' }, 'timeout'],
  ['bytes that are not HTTP', { name: 'HTTPParserError', code: 'HPE_INVALID_CONSTANT' }, 'malformed_response'],
  ['the same without a code', { name: 'HTTPParserError', code: undefined }, 'malformed_response'],
  ['no error at all', undefined, 'connection'],
])('%s', async (_, error, reason) => {
  const { attempt } = begin({
    dispatch: () => {
      throw error;
    },
  });
  expect(await attempt.outcome).toMatchObject({ kind: 'failed', failure: { reason }, sent: false });
});
