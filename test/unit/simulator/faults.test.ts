/** Every fault, through a real socket. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { startSimulator, type FaultSpec, type Simulator } from '../../../src/simulator/server.ts';
import { ask, chunksOf, contentOf, events, hello } from './client.ts';

let sim: Simulator;
beforeAll(async () => {
  sim = await startSimulator({ models: [{ name: 'gpt-5-nano', contextWindow: 1000 }] });
});
beforeEach(() => sim.reset());
afterAll(() => sim.close());

const stream = (extra: object = {}) => hello({ stream: true, ...extra });
const withFault = (fault: FaultSpec, body: object = hello(), options = {}) => {
  sim.faults.add(fault);
  return ask(sim.url, body, options);
};
const last = () => sim.log.at(-1)!;
/** A wait, and what a busy machine leaves of it: what came before may be seen late. Without any wait both come at once. */
const LONG_MS = 500;
const SEEN_MS = 200;
const errorOf = (text: string) => (JSON.parse(text) as { error: { code: string | null; type: string; message: string } }).error;

describe('status', () => {
  test.each([
    [400, 'invalid_request_error', null], [401, 'invalid_request_error', 'invalid_api_key'], [403, 'request_forbidden', 'unsupported_country_region_territory'],
    [404, 'invalid_request_error', 'model_not_found'], [408, 'timeout', null], [409, 'conflict_error', null], [422, 'invalid_request_error', null],
    [429, 'requests', 'rate_limit_exceeded'], [500, 'server_error', null], [503, 'server_error', null], [529, 'overloaded_error', null], [418, 'invalid_request_error', null],
  ])('%d has its body', async (status, type, code) => {
    const reply = await withFault({ status }, stream());
    expect(reply.status).toBe(status);
    expect(reply.headers['content-type']).toBe('application/json');
    expect(errorOf(reply.text)).toMatchObject({ type, code, message: expect.any(String), param: null });
    expect(last()).toMatchObject({ status, outcome: 'status', fault: 'status', admitted: true });
  });

  test('502 and 504 come from what stands in front', async () => {
    expect(await withFault({ status: 502 })).toMatchObject({ status: 502, headers: { 'content-type': 'text/html' }, text: expect.stringContaining('Bad Gateway') });
    expect(await withFault({ status: 504 })).toMatchObject({ status: 504, headers: { 'content-type': 'text/plain' } });
  });

  test('429 with and without a time to wait, and without money', async () => {
    expect((await withFault({ status: 429, retryAfter: 1.5 })).headers).toMatchObject({ 'retry-after': '2', 'retry-after-ms': '1500' });
    expect((await withFault({ status: 429 })).headers['retry-after']).toBeUndefined();
    expect(errorOf((await withFault({ status: 429, code: 'insufficient_quota' })).text)).toMatchObject({ type: 'insufficient_quota', code: 'insufficient_quota' });
    expect(errorOf((await withFault({ status: 429, code: 'other' })).text).code).toBe('other');
  });

  test('headers and body as asked', async () => {
    const reply = await withFault({ status: 503, body: '{"x":1}', headers: { 'x-should-retry': 'false' }, retryAfter: 3 });
    expect(reply).toMatchObject({ status: 503, text: '{"x":1}', headers: { 'x-should-retry': 'false', 'retry-after': '3' } });
  });
});

describe('before the answer', () => {
  test('delayMs', async () => {
    expect((await withFault({ delayMs: 60 })).headersMs).toBeGreaterThanOrEqual(55);
    expect(last()).toMatchObject({ outcome: 'complete', fault: 'delayMs' });
  });

  test('firstTokenMs comes after the headers', async () => {
    const reply = await withFault({ firstTokenMs: LONG_MS }, stream());
    expect(reply.firstByteMs - reply.headersMs).toBeGreaterThanOrEqual(SEEN_MS);
  });

  test('reset', async () => {
    expect(await withFault({ reset: true })).toMatchObject({ status: 0, end: 'ECONNRESET' });
    expect(last()).toMatchObject({ status: 0, outcome: 'reset' });
  });

  test('hang', async () => {
    expect(await withFault({ hang: true }, hello(), { timeoutMs: 50 })).toMatchObject({ status: 0, end: 'TIMEOUT' });
    expect(last().outcome).toBe('hang');
  });

  test('contextLength and contentFilter', async () => {
    expect(errorOf((await withFault({ contextLength: true })).text)).toMatchObject({ code: 'context_length_exceeded', message: expect.stringContaining('maximum context length is 1000 tokens') });
    const policy = await withFault({ contentFilter: 'error' });
    expect([policy.status, errorOf(policy.text).code]).toEqual([400, 'content_policy_violation']);
    expect(errorOf((await withFault({ contentFilter: 'error', code: 'invalid_prompt' })).text).code).toBe('invalid_prompt');
  });

  test.each([true, false])('200s that are none (stream %s)', async (streamed) => {
    const body = hello({ stream: streamed });
    expect(await withFault({ emptyBody: true }, body)).toMatchObject({ status: 200, text: '', end: 'whole' });
    expect(await withFault({ notJson: true }, body)).toMatchObject({ status: 200, headers: { 'content-type': 'text/html' } });
    const cut = await withFault({ truncatedJson: true }, body);
    expect(cut).toMatchObject({ status: 200, end: 'whole', text: expect.stringMatching(/^\{"id"/) });
    expect(() => JSON.parse(cut.text)).toThrow();
    expect(last().outcome).toBe('truncatedJson');
  });
});

describe('midway in a stream', () => {
  const tokens = (text: string) => contentOf(text).split(' ').filter((word) => word !== '').length;

  test.each([0, 1, 5, 40])('cut after %d tokens', async (cut) => {
    const reply = await withFault({ cut }, stream());
    expect(reply).toMatchObject({ status: 200, end: 'ECONNRESET' });
    expect(tokens(reply.text)).toBe(cut);
    expect(last()).toMatchObject({ outcome: 'cut', completionTokens: cut });
  });

  test('close ends cleanly without finish and [DONE]', async () => {
    const reply = await withFault({ close: 4 }, stream({ stream_options: { include_usage: true } }));
    expect(reply.end).toBe('whole');
    expect(tokens(reply.text)).toBe(4);
    expect(reply.text).not.toMatch(/DONE|"finish_reason":"/);
  });

  test('a point beyond the cap strikes at the end', async () => {
    const reply = await withFault({ close: 40 }, stream({ max_tokens: 3 }));
    expect(tokens(reply.text)).toBe(3);
    expect(reply.text).not.toContain('"finish_reason":"');
  });

  test('stall', async () => {
    const reply = await withFault({ stall: { after: 3, ms: LONG_MS } }, stream());
    expect(reply.totalMs - reply.firstByteMs).toBeGreaterThanOrEqual(SEEN_MS);
    expect(events(reply.text).at(-1)).toBe('[DONE]');
  });

  test('malformed breaks one chunk only', async () => {
    const reply = await withFault({ malformed: 2 }, stream());
    const broken = events(reply.text).map((data, i) => (data === '[DONE]' || isJson(data) ? -1 : i)).filter((i) => i >= 0);
    expect(broken).toEqual([2]);
    expect(last().outcome).toBe('malformed');
  });

  test('errorEvent is the last', async () => {
    const all = events((await withFault({ errorEvent: 2 }, stream())).text);
    expect(all).toHaveLength(4);
    expect(errorOf(all.at(-1)!).type).toBe('server_error');
  });

  test('noDone has its finish', async () => {
    const reply = await withFault({ noDone: true }, stream());
    expect(reply).toMatchObject({ end: 'whole', text: expect.stringContaining('"finish_reason":"stop"') });
    expect(reply.text).not.toContain('[DONE]');
  });

  test('contentFilter=finish', async () => {
    const reply = await withFault({ contentFilter: 'finish' }, stream());
    expect(reply.text).toContain('"finish_reason":"content_filter"');
    expect(tokens(reply.text)).toBe(10);
  });

  test('usageMissing', async () => {
    const reply = await withFault({ usageMissing: true }, stream({ stream_options: { include_usage: true } }));
    expect(reply.text).not.toContain('usage');
    expect(JSON.parse((await withFault({ usageMissing: true })).text)).not.toHaveProperty('usage');
  });

  test('crlf', async () => {
    const reply = await withFault({ crlf: true }, stream());
    expect(reply.text.split('\r\n\r\n')).toHaveLength(24);
    expect(reply.text.replaceAll('\r\n', '')).not.toContain('\n');
  });

  test('slowBytes changes no byte', async () => {
    const reply = await withFault({ slowBytes: true }, stream({ messages: [{ role: 'user', content: 'echo: 日本 👍 we’re' }] }));
    expect(contentOf(reply.text)).toBe('日本 👍 we’re');
    expect(events(reply.text).at(-1)).toBe('[DONE]');
  });
});

describe('without stream', () => {
  test('cut is half of the promised body', async () => {
    const reply = await withFault({ cut: 3 });
    expect(reply).toMatchObject({ status: 200, end: 'ECONNRESET' });
    expect(Number(reply.headers['content-length'])).toBeGreaterThan(reply.body.length);
    expect(reply.body.length).toBeGreaterThan(100);
  });

  test('close and malformed end cleanly', async () => {
    for (const fault of [{ close: 3 }, { malformed: 1 }]) {
      const reply = await withFault(fault);
      expect(reply.end).toBe('whole');
      expect(isJson(reply.text)).toBe(false);
      expect(last().outcome).toBe(Object.keys(fault)[0]);
    }
  });

  test('errorEvent is a 200 with an error; slowBytes a whole answer', async () => {
    expect(errorOf((await withFault({ errorEvent: 3 })).text).type).toBe('server_error');
    expect(isJson((await withFault({ slowBytes: true })).text)).toBe(true);
  });
});

describe('encoding', () => {
  const unpack = { gzip: gunzipSync, deflate: inflateSync, br: brotliDecompressSync, zstd: zstdDecompressSync };

  test.each(['gzip', 'deflate', 'br', 'zstd'] as const)('%s', async (encoding) => {
    const streamed = await withFault({ encoding }, stream());
    expect(streamed.headers['content-encoding']).toBe(encoding);
    expect(events(unpack[encoding](streamed.body).toString()).at(-1)).toBe('[DONE]');
    expect(isJson(unpack[encoding]((await withFault({ encoding })).body).toString())).toBe(true);
    expect((await withFault({ encoding, cut: 2 }, stream())).end).toBe('ECONNRESET');
  });

  test('each event can be read when it is sent', async () => {
    const reply = await withFault({ encoding: 'gzip', stall: { after: 5, ms: LONG_MS } }, stream());
    expect(reply.totalMs - reply.firstByteMs).toBeGreaterThanOrEqual(SEEN_MS);
  });
});

describe('ways to ask', () => {
  test('in the prompt, also in the middle of one', async () => {
    const prompt = (content: string) => ask(sim.url, stream({ messages: [{ role: 'user', content }] }));
    expect((await prompt('please [[sim:status=429,code=insufficient_quota]]')).status).toBe(429);
    expect((await prompt('[[sim:cut=40]]')).end).toBe('ECONNRESET');
    expect(chunksOf((await prompt('[[sim:answerTokens=3]]')).text)).toHaveLength(5);
    expect(contentOf((await prompt('echo: a b [[sim:crlf]]')).text)).toBe('a b ');
  });

  test('over HTTP', async () => {
    const control = (method: string, path: string, body?: object) => ask(sim.url, body, { method, path });
    expect(JSON.parse((await control('POST', '/_sim/faults', [{ status: 500, count: 2 }, { hang: true }])).text)).toEqual({ added: 2 });
    expect((await ask(sim.url, hello())).status).toBe(500);
    expect(JSON.parse((await control('GET', '/_sim/faults')).text)).toMatchObject({ faults: [{ left: 1, used: 1 }, { left: 1 }] });
    await control('DELETE', '/_sim/faults');
    expect((await ask(sim.url, hello())).status).toBe(200);
    expect(await control('POST', '/_sim/faults', { wat: 1 })).toMatchObject({ status: 400, text: expect.stringContaining("unknown fault 'wat'") });
    expect(JSON.parse((await control('GET', '/_sim/stats')).text)).toMatchObject({ calls: 2, models: { 'gpt-5-nano': { calls: 2, worstWindow: { windowMs: 60_000, calls: 2 } } } });
    await control('POST', '/_sim/reset');
    expect(sim.log).toHaveLength(0);
    expect((await control('GET', '/_sim/nothing')).status).toBe(404);
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
