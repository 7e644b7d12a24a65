/** Which headers go on, which come back, and what Spillway says itself. */
import { describe, expect, test } from '@jest/globals';
import { ask } from '../../unit/simulator/client.ts';
import { hi, rawConnection, startStack, startUpstream } from '../../support/stack.ts';

const JSON_ANSWER = '{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}';
const STREAM = 'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';

describe('to the upstream', () => {
  const arrived = async (sent: Record<string, string>, primary: object = {}) => {
    const upstream = await startUpstream((res) => res.writeHead(200, { 'content-type': 'application/json' }).end(JSON_ANSWER));
    const { url } = await startStack({ primary: { baseUrl: upstream.baseUrl, ...primary } });
    // As bytes: Node joins a text's encoding to its head.
    expect((await ask(url, Buffer.from(JSON.stringify(hi())), { headers: sent })).status).toBe(200);
    return upstream.seen[0]!;
  };

  test("nothing of the app's identity, network or traces", async () => {
    const secrets = {
      authorization: 'Bearer sk-of-the-app', 'x-api-key': 'k1', 'api-key': 'k2', cookie: 'c=1', 'openai-organization': 'org-app', 'openai-project': 'proj-app',
      'proxy-authorization': 'Basic eA==', 'x-spillway-app': 'shop', 'x-spillway-priority': 'high', 'x-spillway-deadline': '30s', 'x-spillway-new': '1',
      'x-forwarded-for': '10.0.0.1', forwarded: 'for=10.0.0.1', via: '1.1 x', 'x-real-ip': '10.0.0.1', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', baggage: 'a=b',
      origin: 'http://x', referer: 'http://x/y', 'sec-fetch-mode': 'cors',
    };
    const { rawHeaders, headers } = await arrived(secrets);
    const names = Object.keys(secrets).filter((name) => name !== 'authorization');
    expect(names.filter((name) => name in headers)).toEqual([]);
    expect(headers.authorization).toBe('Bearer sk-primary-secret');
    expect(rawHeaders.join('\n')).not.toMatch(/sk-of-the-app|spillway/i);
  });

  test('what the app says to the model goes on; the framing is new', async () => {
    const { headers } = await arrived({ 'user-agent': 'app/1', 'idempotency-key': 'i1', 'openai-beta': 'x', 'x-stainless-lang': 'js', 'accept-encoding': 'br, gzip', accept: 'application/json', 'x-latin': 'caf\u00e9' });
    expect(headers).toMatchObject({ 'user-agent': 'app/1', 'idempotency-key': 'i1', 'openai-beta': 'x', 'x-stainless-lang': 'js', 'accept-encoding': 'identity', accept: 'application/json', 'content-type': 'application/json', 'x-latin': 'caf\u00e9' });
    expect(headers.host).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  test('hop by hop headers are dropped, also those that Connection names', async () => {
    const { headers } = await arrived({ connection: 'X-Mine, keep-alive', 'x-mine': '1', 'keep-alive': 'timeout=5', te: 'trailers', 'x-other': '2' });
    expect(headers).toMatchObject({ 'x-other': '2' });
    expect(['x-mine', 'keep-alive', 'te'].filter((name) => name in headers)).toEqual([]);
  });

  test("the model's configured headers and key, which the app cannot change", async () => {
    const { rawHeaders, headers } = await arrived({ 'x-tenant': 'app', 'User-Agent': 'app/1' }, { headers: { 'X-Tenant': 'configured', 'user-agent': 'spill/1' } });
    expect(headers).toMatchObject({ 'x-tenant': 'configured', 'user-agent': 'spill/1', authorization: 'Bearer sk-primary-secret' });
    expect(rawHeaders.filter((name, i) => i % 2 === 0 && /^(x-tenant|user-agent|authorization|accept-encoding|content-length)$/i.test(name))).toHaveLength(5);
  });

  test('a model without key sends none', async () => {
    const { headers } = await arrived({}, { apiKey: undefined });
    expect(headers.authorization).toBeUndefined();
  });
});

describe('to the app', () => {
  const limits = { requestsPerMinute: 10, tokensPerMinute: 100_000 };
  const theirs = {
    'x-request-id': 'req_1', 'openai-processing-ms': '12', 'set-cookie': ['a=1', 'b=2'], 'x-ratelimit-limit-requests': '99999', 'x-ratelimit-remaining-tokens': '1', 'x-ratelimit-reset-images': '1s',
    'x-spillway-model': 'liar', 'x-should-retry': 'true', 'access-control-allow-origin': '*', 'alt-svc': 'h3=":443"', 'strict-transport-security': 'max-age=1', connection: 'keep-alive, x-hop', 'x-hop': '1', 'x-latin': 'caf\u00e9', 'x-many': ['1', '2'],
  };

  test.each([['JSON', false], ['a stream', true]])('%s', async (_, stream) => {
    const upstream = await startUpstream((res) => res.writeHead(200, { ...theirs, 'content-type': stream ? 'text/event-stream' : 'application/json' }).end(stream ? STREAM : JSON_ANSWER));
    const { url } = await startStack({ primary: { baseUrl: upstream.baseUrl, limits } });
    const { headers, status } = await ask(url, hi({ stream }));
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'x-spillway-model': 'primary', 'x-spillway-group': 'chat', 'x-spillway-fallback': 'false', 'x-spillway-attempts': '1',
      'x-spillway-overhead-ms': expect.stringMatching(/^\d+\.\d\d$/),
      'x-ratelimit-limit-requests': '10', 'x-ratelimit-remaining-requests': '9', 'x-ratelimit-reset-requests': expect.stringMatching(/^1m[12](\.\d+)?s$/),
      'x-ratelimit-limit-tokens': '100000', 'x-ratelimit-remaining-tokens': expect.stringMatching(/^9\d{4}$/), 'x-ratelimit-reset-tokens': expect.stringMatching(/^1m[12](\.\d+)?s$/),
      'x-request-id': 'req_1', 'openai-processing-ms': '12', 'x-latin': 'caf\u00e9', 'x-many': '1, 2',
      'content-type': stream ? 'text/event-stream' : 'application/json',
    });
    const dropped = ['x-spillway-reason', 'set-cookie', 'x-ratelimit-reset-images', 'x-should-retry', 'access-control-allow-origin', 'alt-svc', 'strict-transport-security', 'x-hop', 'content-encoding'];
    expect(dropped.filter((name) => name in headers)).toEqual([]);
  });

  test('after a diversion the headers are those of the model that served', async () => {
    const stack = await startStack({ backup: { limits: { requestsPerMinute: 7 } }, primary: { limits } });
    stack.sim.faults.add({ model: 'sim-primary', status: 500 });
    const { headers } = await ask(stack.url, hi());
    expect(headers).toMatchObject({ 'x-spillway-model': 'backup', 'x-spillway-group': 'chat', 'x-spillway-fallback': 'true', 'x-spillway-reason': 'server_error', 'x-spillway-attempts': '2', 'x-ratelimit-limit-requests': '7', 'x-ratelimit-remaining-requests': '6' });
    expect(headers['x-ratelimit-limit-tokens']).toBeUndefined();
  });

  test("another model of the group's own is no fallback", async () => {
    // By cost, so that it is known who is asked first.
    const stack = await startStack({
      primary: { price: { input: 1, output: 1 } },
      backup: { price: { input: 2, output: 2 } },
      groups: { pair: { models: ['primary', 'backup'], balance: 'lowest-cost' } },
    });
    stack.sim.faults.add({ model: 'sim-primary', status: 500 });
    const { headers } = await ask(stack.url, hi({ model: 'pair' }));
    expect(headers).toMatchObject({ 'x-spillway-model': 'backup', 'x-spillway-group': 'pair', 'x-spillway-fallback': 'false', 'x-spillway-reason': 'server_error' });
  });

  test('a fallback that cannot be used is no reason for the primary', async () => {
    const stack = await startStack({ env: { BACKUP_KEY: '' }, models: { last: { provider: 'openai', model: 'sim-last', baseUrl: 'http://127.0.0.1:1/v1', apiKey: { env: 'MISSING' } } }, groups: { chat: { models: ['primary'], fallback: ['last', 'backup'] } } });
    const { headers } = await ask(stack.url, hi());
    expect(headers).toMatchObject({ 'x-spillway-model': 'primary', 'x-spillway-fallback': 'false' });
    expect(headers['x-spillway-reason']).toBeUndefined();
    expect(await stack.metric('spillway_requests_total', { reason: '', model: 'primary' })).toBe(1);
  });

  test('models that cannot be used keep their place in the list of those tried', async () => {
    const last = { provider: 'openai', model: 'sim-last', apiKey: { env: 'MISSING' } };
    const stack = await startStack({ models: { last }, groups: { chat: { models: ['primary'], fallback: ['last', 'backup'] } } });
    stack.sim.faults.add({ status: 503, count: 2 });
    const { status, headers, text } = await ask(stack.url, hi());
    expect({ status, reason: headers['x-spillway-reason'] }).toEqual({ status: 503, reason: 'overloaded' });
    const tried = [['primary', 'overloaded'], ['last', 'auth'], ['backup', 'overloaded']].map(([model, reason]) => ({ model, reason }));
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'overloaded', spillway: { tried } } });
  });

  test('a primary without its key is passed over as auth', async () => {
    const stack = await startStack({ primary: { apiKey: { env: 'MISSING' } } });
    expect((await ask(stack.url, hi())).headers).toMatchObject({ 'x-spillway-model': 'backup', 'x-spillway-reason': 'auth', 'x-spillway-attempts': '1' });
    expect((await stack.status()).models['primary']!.unusable).toBe('auth');
  });

  test("text in a caller's header comes back in no header and breaks no line", async () => {
    const stack = await startStack();
    const raw = rawConnection(stack.port, `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: text/\xff"\\\r\nx-spillway-app: a\x80b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
    const { text } = await raw.closed;
    expect(text.split('\r\n\r\n')[0]).not.toContain('text/');
    expect(text).toMatch(/^HTTP\/1\.1 415 /);
  });
});
