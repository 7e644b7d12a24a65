/** What goes wrong before the first byte costs the app nothing but another model. */
import { describe, expect, test } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import { freePort } from '../../support/redis.ts';
import { hi, startStack, startUpstream, type Stack } from '../../support/stack.ts';
import { ask, contentOf, events, type Reply } from '../../unit/simulator/client.ts';
import type { Fault } from '../../../src/simulator/server.ts';

const TWENTY = 'The quick brown fox jumps over a naïve dog while the café plays a 日本 song and we’re all happy';

/** The fallback's whole answer, and not a byte of the primary's. */
function expectServedByBackup(reply: Reply, reason: string, stream: boolean): void {
  expect(reply.end).toBe('whole');
  expect(reply.status).toBe(200);
  expect(reply.headers).toMatchObject({ 'x-spillway-model': 'backup', 'x-spillway-fallback': 'true', 'x-spillway-reason': reason, 'x-spillway-attempts': '2' });
  expect(reply.text).not.toContain('sim-primary');
  if (!stream) expect(JSON.parse(reply.text)).toMatchObject({ model: 'sim-backup-2025-08-07', choices: [{ finish_reason: 'stop', message: { content: TWENTY } }] });
  else {
    expect(reply.headers['content-type']).toContain('text/event-stream');
    expect(contentOf(reply.text)).toBe(TWENTY);
    expect(events(reply.text).at(-1)).toBe('[DONE]');
    expect(reply.text).not.toContain('"error"');
  }
}

async function expectCounted(stack: Stack, reason: string): Promise<void> {
  await stack.atRest();
  const counted = {
    failed: await stack.metric('spillway_attempts_total', { model: 'primary', outcome: 'failed', reason }),
    ok: await stack.metric('spillway_attempts_total', { model: 'backup', outcome: 'ok' }),
    requests: await stack.metric('spillway_requests_total', { group: 'chat', model: 'backup', outcome: 'ok', fallback: 'true', reason }),
    fallbacks: await stack.metric('spillway_fallbacks_total', { group: 'chat', from: 'primary', to: 'backup', reason }),
    attempts: await stack.metric('spillway_attempts_total'),
  };
  expect(counted).toEqual({ failed: 1, ok: 1, requests: 1, fallbacks: 1, attempts: 2 });
  expect((await stack.status()).groups['chat']!.lastDiversion).toMatchObject({ from: 'primary', to: 'backup', reason });
}

const both: [string, Fault, string][] = [
  ['429', { status: 429 }, 'rate_limited'],
  ['429 with retry-after', { status: 429, retryAfter: 20 }, 'rate_limited'],
  ['429, no quota left', { status: 429, code: 'insufficient_quota' }, 'quota_exhausted'],
  ['402', { status: 402 }, 'quota_exhausted'],
  ['500', { status: 500 }, 'server_error'],
  ['502 in HTML', { status: 502 }, 'server_error'],
  ['503', { status: 503 }, 'overloaded'],
  ['504 in text', { status: 504 }, 'timeout'],
  ['529', { status: 529 }, 'overloaded'],
  ['520 without a body', { status: 520, body: '' }, 'server_error'],
  ['401', { status: 401 }, 'auth'],
  ['403', { status: 403 }, 'auth'],
  ['404', { status: 404 }, 'not_found'],
  ['408', { status: 408 }, 'timeout'],
  ['409', { status: 409 }, 'server_error'],
  ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }, 'malformed_response'],
  ['an error in an array, as Gemini has it', { status: 429, body: '[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}]' }, 'rate_limited'],
  ['a reset before the headers', { reset: true }, 'connection'],
  ['an empty body', { emptyBody: true }, 'malformed_response'],
  ['no JSON', { notJson: true }, 'malformed_response'],
  ['half of the JSON, with a clean end', { truncatedJson: true }, 'malformed_response'],
];

describe.each([['JSON', false], ['a stream', true]])('%s', (_, stream) => {
  test.each(both)('%s', async (_, fault, reason) => {
    const stack = await startStack();
    stack.sim.faults.add({ ...fault, model: 'sim-primary' });
    expectServedByBackup(await ask(stack.url, hi({ stream })), reason, stream);
    await expectCounted(stack, reason);
    expect(stack.sim.log.map(({ model }) => model)).toEqual(['sim-primary', 'sim-backup']);
  });

  test('nobody listens there', async () => {
    const stack = await startStack({ primary: { baseUrl: `http://127.0.0.1:${await freePort()}/v1`, limits: { requestsPerMinute: 5, tokensPerMinute: 50_000 } } });
    expectServedByBackup(await ask(stack.url, hi({ stream })), 'connection', stream);
    await expectCounted(stack, 'connection');
    // It was never sent.
    expect([await stack.used('primary', 'requests'), await stack.used('primary', 'tokens')]).toEqual([0, 0]);
  });

  test('no answer at all', async () => {
    const stack = await startStack({ policy: { timeouts: stream ? { firstToken: '200ms' } : { total: '200ms' } } });
    stack.sim.faults.add({ model: 'sim-primary', hang: true });
    expectServedByBackup(await ask(stack.url, hi({ stream })), 'timeout', stream);
    await expectCounted(stack, 'timeout');
  });

  test('the connection breaks within an error', async () => {
    const upstream = await startUpstream((res) => {
      res.writeHead(503, { 'content-length': '1000' }).write('{"error":');
      setTimeout(() => res.destroy(), 20);
    });
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    expectServedByBackup(await ask(stack.url, hi({ stream })), 'connection', stream);
  });

  test('bytes that are not HTTP', async () => {
    const upstream = await startUpstream((res) => void res.socket!.end('SSH-2.0-OpenSSH\r\n\r\n'));
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    expectServedByBackup(await ask(stack.url, hi({ stream })), 'malformed_response', stream);
  });
});

describe('a JSON answer', () => {
  test.each<[string, Fault, string]>([
    ['cut in its middle', { cut: 1 }, 'connection'],
    ['ended in its middle', { close: 1 }, 'malformed_response'],
    ['broken inside', { malformed: 1 }, 'malformed_response'],
    ['an error with status 200', { errorEvent: 1 }, 'server_error'],
  ])('%s', async (_, fault, reason) => {
    const stack = await startStack();
    stack.sim.faults.add({ ...fault, model: 'sim-primary' });
    expectServedByBackup(await ask(stack.url, hi()), reason, false);
    await expectCounted(stack, reason);
  });

  test('that stops midway', async () => {
    const stack = await startStack({ policy: { timeouts: { total: '300ms' } } });
    stack.sim.faults.add({ model: 'sim-primary', stall: { after: 1, ms: 60_000 } });
    expectServedByBackup(await ask(stack.url, hi()), 'timeout', false);
  });
});

describe('a stream before its first content', () => {
  test.each<[string, Fault, string]>([
    ['an error event', { errorEvent: 0 }, 'server_error'],
    ['a clean end', { close: 0 }, 'malformed_response'],
    ['a broken connection', { cut: 0 }, 'connection'],
    ['broken JSON', { malformed: 1 }, 'malformed_response'],
    ['silence', { stall: { after: 0, ms: 60_000 } }, 'timeout'],
    ['headers and silence', { firstTokenMs: 60_000 }, 'timeout'],
  ])('%s', async (_, fault, reason) => {
    const stack = await startStack({ policy: { timeouts: { firstToken: '300ms' } } });
    stack.sim.faults.add({ ...fault, model: 'sim-primary' });
    expectServedByBackup(await ask(stack.url, hi({ stream: true })), reason, true);
    await expectCounted(stack, reason);
  });

  test.each([
    ['its code decides', '{"error":{"code":"rate_limit_exceeded"}}', 'rate_limited'],
    ['a number, as of Gemini and OpenRouter', '{"error":{"code":503,"message":"x"}}', 'overloaded'],
    ['in an event of its own', '{"error":{"type":"overloaded_error"},"choices":[]}', 'overloaded'],
  ])('an error event, %s', async (_, error, reason) => {
    const upstream = await startUpstream((res) => res.writeHead(200, { 'content-type': 'text/event-stream' }).end(`: hello\n\ndata: ${error}\n\n`));
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    expectServedByBackup(await ask(stack.url, hi({ stream: true })), reason, true);
  });

  test.each([
    ['nothing but the end mark', 'data: [DONE]\n\n'],
    ['only comments', ': ping\n\n: ping\n\n'],
    ['an event without its end', 'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n'],
    ['nothing', ''],
  ])('%s is no answer', async (_, body) => {
    const upstream = await startUpstream((res) => res.writeHead(200, { 'content-type': 'text/event-stream' }).end(body));
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    expectServedByBackup(await ask(stack.url, hi({ stream: true })), 'malformed_response', true);
  });

  test.each<[string, (res: ServerResponse) => void, string]>([
    ['silence', () => undefined, 'timeout'],
    ['a broken connection', (res) => setTimeout(() => res.destroy(), 20), 'connection'],
    ['a clean end', (res) => res.end(), 'malformed_response'],
    ['an error', (res) => res.end('data: {"error":{"message":"x"}}\n\n'), 'server_error'],
  ])('the role, and then %s', async (_, then, reason) => {
    const upstream = await startUpstream((res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"model":"sim-primary"}\n\n', () => then(res));
    });
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl }, policy: { timeouts: { firstToken: '300ms' } } });
    expectServedByBackup(await ask(stack.url, hi({ stream: true })), reason, true);
    await expectCounted(stack, reason);
  });

  test('keep-alives do not buy time', async () => {
    const upstream = await startUpstream((res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      const timer = setInterval(() => res.write(': ping\n\n'), 20);
      res.on('close', () => clearInterval(timer));
    });
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl }, policy: { timeouts: { firstToken: '300ms' } } });
    expectServedByBackup(await ask(stack.url, hi({ stream: true })), 'timeout', true);
  });
});
