/** What a forwarded request and its answer may carry: nothing of the app's to the provider, nothing of the connection's to the app. */
import { describe, expect, test } from '@jest/globals';
import { request, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { ask } from '../../unit/simulator/client.ts';
import { KEYS, rawConnection, startStack, startUpstream } from '../../support/stack.ts';

const ON = { 'x-spillway-model': 'primary' };
const ok = (res: ServerResponse): void => void res.writeHead(200, { 'content-type': 'application/json' }).end('{}');

describe('to the upstream', () => {
  const arrived = async (sent: Record<string, string>, primary: object = {}, body: string | undefined = 'abc') => {
    const upstream = await startUpstream(ok);
    const { url } = await startStack({ primary: { baseUrl: upstream.baseUrl, ...primary } });
    expect((await ask(url, body, { path: '/v1/files', headers: { ...ON, ...sent } })).status).toBe(200);
    return upstream.seen[0]!;
  };

  test("nothing of the app's identity, network or traces; the model's key instead", async () => {
    const secrets = {
      authorization: 'Bearer sk-of-the-app', 'x-api-key': 'k1', 'api-key': 'k2', cookie: 'c=1', 'openai-organization': 'org-app', 'openai-project': 'proj-app',
      'proxy-authorization': 'Basic eA==', 'x-spillway-app': 'shop', 'x-forwarded-for': '10.0.0.1', forwarded: 'for=10.0.0.1', via: '1.1 x', traceparent: '00-1', origin: 'http://x', 'sec-fetch-mode': 'cors',
    };
    const { rawHeaders, headers, body } = await arrived(secrets);
    expect(Object.keys(secrets).filter((name) => name !== 'authorization' && name in headers)).toEqual([]);
    expect(headers.authorization).toBe(`Bearer ${KEYS.PRIMARY_KEY}`);
    expect(rawHeaders.join('\n')).not.toMatch(/sk-of-the-app|spillway/i);
    expect(headers.host).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(body.toString()).toBe('abc');
  });

  test('keys sent twice, or in another case, are gone as well', async () => {
    const upstream = await startUpstream(ok);
    const { port } = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    const raw = rawConnection(port, 'GET /v1/files HTTP/1.1\r\nhost: x\r\nX-Spillway-Model: primary\r\nAUTHORIZATION: Bearer sk-of-the-app\r\nauthorization: Bearer sk-of-the-app2\r\nCookie: a=1\r\ncookie: b=2\r\nX-API-KEY: k\r\nconnection: close\r\n\r\n');
    expect((await raw.closed).text).toMatch(/^HTTP\/1\.1 200 /);
    const [{ rawHeaders }] = upstream.seen as [(typeof upstream.seen)[0]];
    expect(rawHeaders.join('\n')).not.toMatch(/sk-of-the-app|cookie|x-api-key/i);
    expect(rawHeaders.filter((name) => /^authorization$/i.test(name))).toHaveLength(1);
  });

  test('what the app says to the provider goes on, its own encoding of the body included', async () => {
    const { headers } = await arrived({ 'user-agent': 'app/1', 'idempotency-key': 'i1', 'openai-beta': 'x', 'accept-encoding': 'br, gzip', 'content-type': 'text/x', 'content-encoding': 'gzip', range: 'bytes=0-1', 'if-none-match': '"e"' });
    expect(headers).toMatchObject({ 'user-agent': 'app/1', 'idempotency-key': 'i1', 'openai-beta': 'x', 'accept-encoding': 'br, gzip', 'content-type': 'text/x', 'content-encoding': 'gzip', range: 'bytes=0-1', 'if-none-match': '"e"', 'content-length': '3' });
  });

  test('hop by hop headers end here, also those that Connection names; the framing stays', async () => {
    const { headers, body } = await arrived({ connection: 'X-Mine, content-length, keep-alive', 'x-mine': '1', 'keep-alive': 'timeout=5', te: 'trailers', upgrade: 'h2c', 'x-other': '2' });
    expect(headers).toMatchObject({ 'x-other': '2', 'content-length': '3' });
    expect(['x-mine', 'keep-alive', 'te', 'upgrade'].filter((name) => name in headers)).toEqual([]);
    expect(body.toString()).toBe('abc');
  });

  test("the model's configured headers, which the app cannot change", async () => {
    const { rawHeaders, headers } = await arrived({ 'x-tenant': 'app' }, { headers: { 'X-Tenant': 'configured' } });
    expect(headers['x-tenant']).toBe('configured');
    expect(rawHeaders.filter((name) => /^x-tenant$/i.test(name))).toHaveLength(1);
  });

  test("a model without key sends none, and never the app's", async () => {
    const { headers } = await arrived({}, { apiKey: undefined });
    expect(headers.authorization).toBeUndefined();
  });

  test('a body that waits for 100 Continue gets it and arrives; its keys are replaced, too', async () => {
    const upstream = await startUpstream(ok);
    const { url } = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    const status = await new Promise<number>((resolve, reject) => {
      const asked = request(`${url}/v1/files`, { method: 'POST', agent: false, headers: { ...ON, authorization: 'Bearer sk-of-the-app', expect: '100-continue', 'content-length': 3 } }, (res) => {
        res.resume();
        resolve(res.statusCode!);
      });
      asked.on('continue', () => void asked.end('abc')).on('error', reject).flushHeaders();
    });
    expect(status).toBe(200);
    expect(upstream.seen[0]).toMatchObject({ headers: { authorization: `Bearer ${KEYS.PRIMARY_KEY}` }, body: Buffer.from('abc') });
    expect(upstream.seen[0]!.headers.expect).toBeUndefined();
  });

  test.each([['GET', undefined], ['HEAD', undefined], ['DELETE', undefined], ['POST', ''], ['PUT', 'x'], ['PATCH', 'x']])('%s keeps its method and its body', async (method, body) => {
    const upstream = await startUpstream((res, _seen, req) => res.writeHead(200, { 'x-method': req.method! }).end());
    const { url } = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    const reply = await ask(url, body, { method, path: '/v1/files/a', headers: ON });
    expect(reply).toMatchObject({ status: 200, end: 'whole', headers: { 'x-method': method } });
    expect(upstream.seen[0]!.body.toString()).toBe(body ?? '');
    if (method === 'GET') expect(upstream.seen[0]!.headers['transfer-encoding']).toBeUndefined();
  });

  test('a body in chunks, with trailers that are not for the upstream', async () => {
    const upstream = await startUpstream(ok);
    const { port } = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    const raw = rawConnection(port, 'POST /v1/files HTTP/1.1\r\nhost: x\r\nx-spillway-model: primary\r\ntransfer-encoding: chunked\r\ntrailer: authorization\r\nconnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nauthorization: Bearer evil\r\n\r\n');
    expect((await raw.closed).text).toMatch(/^HTTP\/1\.1 200 /);
    expect(upstream.seen).toMatchObject([{ body: Buffer.from('abcde'), headers: { authorization: `Bearer ${KEYS.PRIMARY_KEY}` } }]);
    expect(upstream.seen[0]!.headers.trailer).toBeUndefined();
  });
});

describe('to the app', () => {
  const theirs = {
    'x-request-id': 'req_1', 'openai-processing-ms': '12', 'set-cookie': ['a=1', 'b=2'], 'x-ratelimit-limit-requests': '99999', 'x-ratelimit-remaining-tokens': '1',
    'x-spillway-model': 'liar', 'x-spillway-fallback': 'true', 'x-should-retry': 'true', 'access-control-allow-origin': '*', 'alt-svc': 'h3=":443"', 'strict-transport-security': 'max-age=1', connection: 'keep-alive, x-hop', 'x-hop': '1', 'x-many': ['1', '2'],
    'content-type': 'application/octet-stream', etag: '"e"',
  };

  const answered = async (status = 200): Promise<IncomingHttpHeaders> => {
    const upstream = await startUpstream((res) => res.writeHead(status, theirs).end('abc'));
    const { url } = await startStack({ primary: { baseUrl: upstream.baseUrl, limits: { requestsPerMinute: 10 } } });
    const reply = await ask(url, undefined, { method: 'GET', path: '/v1/files', headers: ON });
    expect(reply).toMatchObject({ status, text: 'abc', end: 'whole' });
    return reply.headers;
  };

  test.each([[200], [404], [429]])("the sidecar's headers and the provider's, none of the connection's (%d)", async (status) => {
    const headers = await answered(status);
    expect(headers).toMatchObject({
      'x-spillway-model': 'primary', 'x-spillway-group': 'primary', 'x-spillway-fallback': 'false', 'x-spillway-attempts': '1', 'x-spillway-overhead-ms': expect.stringMatching(/^\d+\.\d\d$/),
      'x-ratelimit-limit-requests': '10', 'x-ratelimit-remaining-requests': '9', 'x-ratelimit-reset-requests': expect.stringMatching(/^1m/),
      'x-request-id': 'req_1', 'openai-processing-ms': '12', 'x-many': '1, 2', 'content-type': 'application/octet-stream', etag: '"e"',
    });
    const dropped = ['set-cookie', 'x-ratelimit-remaining-tokens', 'x-should-retry', 'access-control-allow-origin', 'alt-svc', 'strict-transport-security', 'x-hop', 'x-spillway-reason'];
    expect(dropped.filter((name) => name in headers)).toEqual([]);
  });

  test('an answer in an encoding stays in it', async () => {
    const bytes = Buffer.from([0x1f, 0x8b, 0, 1, 2, 3]);
    const upstream = await startUpstream((res) => res.writeHead(200, { 'content-encoding': 'gzip' }).end(bytes));
    const { url } = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    const reply = await ask(url, undefined, { method: 'GET', path: '/v1/files', headers: ON });
    expect(reply.headers['content-encoding']).toBe('gzip');
    expect(reply.body.equals(bytes)).toBe(true);
  });

  test.each([['HTTP/1.1', 'connection: close\r\n', 'close'], ['HTTP/1.0', '', 'close']])("the connection ends when the caller wants it to: %s %s", async (version, line, connection) => {
    const upstream = await startUpstream(ok);
    const { port } = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    const { how, text } = await rawConnection(port, `GET /v1/files ${version}\r\nhost: x\r\nx-spillway-model: primary\r\n${line}\r\n`).closed;
    expect(how).toBe('end');
    expect(text).toMatch(new RegExp(`\\r\\nconnection: ${connection}\\r\\n`, 'i'));
  });

  test('and serves the next request when it does not', async () => {
    const upstream = await startUpstream(ok);
    const { port } = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    const one = (last: string): string => `GET /v1/files HTTP/1.1\r\nhost: x\r\nx-spillway-model: primary\r\n${last}\r\n`;
    const { text } = await rawConnection(port, one('') + one('') + one('connection: close\r\n')).closed;
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3);
  });
});
