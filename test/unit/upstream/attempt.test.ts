import { describe, expect, test } from '@jest/globals';
import { Writable } from 'node:stream';
import { begin, now, pending } from './begin.ts';

describe('time-outs', () => {
  test('connect: until the request can be written', async () => {
    const { attempt, at, controller } = begin();
    at(99);
    expect(await now(attempt.outcome)).toBe(pending);
    at(100);
    expect(await attempt.outcome).toEqual({ kind: 'failed', failure: { reason: 'timeout', divert: true }, sent: false, silent: false });
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
    expect(await attempt.outcome).toEqual({ kind: 'failed', failure: { reason: 'timeout', divert: true }, sent: true, silent: true });
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
    expect(await attempt.outcome).toMatchObject({ kind: 'failed', failure: { reason: 'timeout' }, sent: true, silent: true });
  });

  test('total, while a JSON answer arrives: slow, but not silent', async () => {
    const { attempt, at, controller, headers } = begin();
    attempt.onRequestStart(controller);
    headers('application/json');
    at(1000);
    expect(await attempt.outcome).toMatchObject({ kind: 'failed', failure: { reason: 'timeout' }, sent: true, silent: false });
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
