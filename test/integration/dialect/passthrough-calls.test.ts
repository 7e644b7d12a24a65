/** What a forwarded call costs, and how each ends: one request of the budget, a place among those under way, nothing left behind. */
import { describe, expect, test } from '@jest/globals';
import { createServer, type AddressInfo } from 'node:net';
import { freePort } from '../../support/redis.ts';
import { ask } from '../../unit/simulator/client.ts';
import { BUFFER, hi, later, rawConnection, startStack, startUpstream, until, type Stack } from '../../support/stack.ts';

const ON = { 'x-spillway-model': 'primary' };
const limits = { requestsPerMinute: 2, concurrency: 1 };
const list = (stack: Stack, model = 'primary') => ask(stack.url, undefined, { method: 'GET', path: '/v1/files', headers: { 'x-spillway-model': model } });
const codeIn = (text: string): string => (JSON.parse(text) as { error: { code: string } }).error.code;

describe('the budget', () => {
  test('one request each, of the budget that chats use, too; beyond it 429, and never another model', async () => {
    const stack = await startStack({ primary: { limits } });
    await stack.client.chat.completions.create(hi());
    const second = await list(stack);
    expect(second).toMatchObject({ status: 200, headers: { 'x-ratelimit-limit-requests': '2', 'x-ratelimit-remaining-requests': '0' } });
    const third = await list(stack);
    expect(third.status).toBe(429);
    expect(third.headers).toMatchObject({ 'x-spillway-group': 'primary', 'x-spillway-reason': 'budget_requests', 'x-spillway-attempts': '0', 'content-type': 'application/json' });
    expect(third.headers['x-spillway-model']).toBeUndefined();
    expect(Number(third.headers['retry-after'])).toBeGreaterThan(50);
    expect(Number(third.headers['retry-after-ms'])).toBeGreaterThan(50_000);
    expect(JSON.parse(third.text)).toMatchObject({ error: { type: 'rate_limit_error', code: 'budget_requests', param: null, spillway: { tried: [{ model: 'primary', reason: 'budget_requests' }] } } });
    expect((await list(stack, 'backup')).status).toBe(200);
    expect(stack.sim.log.map(({ authorization }) => authorization)).toEqual(['Bearer sk-primary-secret', 'Bearer sk-primary-secret', 'Bearer sk-backup-secret']);
    expect(await stack.used('primary', 'requests')).toBe(2);
    expect(await stack.metric('spillway_requests_total', { model: 'primary', outcome: 'refused', reason: 'budget_requests' })).toBe(1);
    expect(await stack.metric('spillway_attempts_total', { model: 'primary' })).toBe(2);
  });

  test('no tokens are reserved or charged', async () => {
    const stack = await startStack({ primary: { limits: { tokensPerMinute: 10, outputTokensPerMinute: 1 } } });
    for (let i = 0; i < 3; i++) expect((await list(stack)).status).toBe(200);
    await stack.atRest();
    expect(await stack.used('primary', 'tokens')).toBe(0);
  });

  test('who is refused while still uploading is told so, and the rest is not taken for a request', async () => {
    const stack = await startStack({ primary: { limits: { requestsPerMinute: 1 } } });
    await list(stack);
    const raw = rawConnection(stack.port, 'POST /v1/files HTTP/1.1\r\nhost: x\r\nx-spillway-model: primary\r\ncontent-length: 1000\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n');
    const { text } = await raw.closed;
    expect(text).toMatch(/^HTTP\/1\.1 429 /);
    expect(text).toMatch(/\r\nconnection: close\r\n/i);
    expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });
});

describe('ends', () => {
  const busy = { primary: { limits: { requestsPerMinute: 100, concurrency: 1 } } };

  test('the caller leaves while it waits: the upstream is left, the place is free', async () => {
    const stack = await startStack(busy);
    const { id } = await uploaded(stack);
    stack.sim.faults.add({ delayMs: 60_000 });
    const leaving = new AbortController();
    const answer = ask(stack.url, undefined, { method: 'GET', path: `/v1/files/${id}/content`, headers: ON, signal: leaving.signal });
    await until(() => stack.sim.log.length === 2, 'the call arrives');
    expect(await stack.used('primary', 'concurrency')).toBe(1);
    expect(await list(stack)).toMatchObject({ status: 429, headers: { 'x-spillway-reason': 'budget_concurrency' } });
    leaving.abort();
    expect((await answer).end).toBe('ABORT_ERR');
    await until(() => stack.sim.log[1]!.outcome === 'client-left', 'the upstream sees it');
    await stack.atRest();
    expect((await list(stack)).status).toBe(200);
    // The refused one took nothing.
    expect(await stack.used('primary', 'requests')).toBe(2);
  });

  test('the caller leaves in the middle of its upload: so does the sidecar', async () => {
    const stack = await startStack(busy);
    const raw = rawConnection(stack.port, 'POST /v1/files HTTP/1.1\r\nhost: x\r\nx-spillway-model: primary\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 1000000\r\n\r\n--b\r\n');
    await until(() => stack.sim.log.length === 1, 'the upload arrives');
    expect(await stack.used('primary', 'concurrency')).toBe(1);
    raw.socket.destroy();
    await until(() => stack.sim.log[0]!.outcome === 'client-left', 'the upstream sees it');
    await stack.atRest();
    expect((await list(stack)).status).toBe(200);
  });

  test('an upstream that reads nothing holds up the caller, and the sidecar holds nothing', async () => {
    const deaf = createServer((socket) => void socket.on('error', () => undefined).pause());
    await new Promise<void>((resolve) => void deaf.listen(0, '127.0.0.1', resolve));
    const stack = await startStack({ primary: { baseUrl: `http://127.0.0.1:${(deaf.address() as AddressInfo).port}/v1` }, policy: { timeouts: { total: '1500ms' } } });
    const all = 64 * 1024 * 1024;
    const raw = rawConnection(stack.port, `POST /v1/files HTTP/1.1\r\nhost: x\r\nx-spillway-model: primary\r\ncontent-length: ${all}\r\n\r\n`);
    for (let sent = 0; sent < all; sent += 1024 * 1024) raw.socket.write(Buffer.alloc(1024 * 1024));
    await later(700);
    // What the kernel takes for three sockets is some megabytes.
    expect(raw.socket.writableLength).toBeGreaterThan(all / 2);
    const full = JSON.stringify({ model: 'unknown', text: ' '.repeat(BUFFER - 40) });
    expect((await ask(stack.url, full)).status).toBe(404);
    // Who is not read from is not seen to leave: the time-out ends it.
    raw.socket.destroy();
    await stack.atRest();
    deaf.close();
  });

  test('an upstream that is down: 502 connection, and nothing is charged that was not sent', async () => {
    const stack = await startStack({ primary: { ...busy.primary, baseUrl: `http://127.0.0.1:${await freePort()}/v1` } });
    const { status, headers, text } = await list(stack);
    expect([status, codeIn(text)]).toEqual([502, 'connection']);
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-spillway-reason': 'connection', 'x-spillway-group': 'primary' });
    expect(JSON.parse(text)).toMatchObject({ error: { type: 'server_error', param: null, spillway: { tried: [{ model: 'primary', reason: 'connection' }] } } });
    expect(text).not.toMatch(/ECONNREFUSED|127\.0\.0\.1/);
    await stack.atRest();
    expect(await stack.used('primary', 'requests')).toBe(0);
    expect(await stack.metric('spillway_attempts_total', { model: 'primary', outcome: 'failed', reason: 'connection' })).toBe(1);
  });

  test('an upstream that breaks off before it answers has counted the request', async () => {
    const stack = await startStack(busy);
    const { id } = await uploaded(stack);
    stack.sim.faults.add({ reset: true });
    const { status, text } = await ask(stack.url, undefined, { method: 'GET', path: `/v1/files/${id}/content`, headers: ON });
    expect([status, codeIn(text)]).toEqual([502, 'connection']);
    await stack.atRest();
    expect(await stack.used('primary', 'requests')).toBe(1);
  });

  test('an upstream that breaks off in the middle of an upload: 502, and the connection is closed', async () => {
    const server = createServer((socket) => void socket.on('error', () => undefined).once('data', () => void socket.resetAndDestroy()));
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const stack = await startStack({ primary: { ...busy.primary, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` } });
    const raw = rawConnection(stack.port, `POST /v1/files HTTP/1.1\r\nhost: x\r\nx-spillway-model: primary\r\ncontent-length: 5000000\r\n\r\n${'x'.repeat(1000)}`);
    const { text } = await raw.closed;
    expect(text).toMatch(/^HTTP\/1\.1 502 /);
    expect(text).toMatch(/\r\nconnection: close\r\n/i);
    await stack.atRest();
    server.close();
  });

  test.each([
    ['switches protocols', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello', 'connection'],
    ['has a status that is none', 'HTTP/1.1 099 X\r\ncontent-length: 2\r\n\r\n{}', 'malformed_response'],
  ])('an upstream that %s: 502, and the place is free', async (_, answer, reason) => {
    const server = createServer((socket) => void socket.on('error', () => undefined).once('data', () => void socket.write(answer)));
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const stack = await startStack({ primary: { ...busy.primary, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` } });
    for (let i = 0; i < 2; i++) {
      const reply = await list(stack);
      expect([reply.status, reply.end, codeIn(reply.text), reply.headers['x-spillway-reason']]).toEqual([502, 'whole', reason, reason]);
      await stack.atRest();
    }
    expect(await stack.used('primary', 'concurrency')).toBe(0);
    expect(await stack.metric('spillway_attempts_total', { model: 'primary', outcome: 'failed', reason })).toBe(2);
    server.close();
  });

  test('a reason phrase with bytes that Node does not write is left out', async () => {
    const server = createServer((socket) => void socket.on('error', () => undefined).once('data', () => void socket.end('HTTP/1.1 200 O\x01K\r\ncontent-length: 2\r\n\r\n{}')));
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const stack = await startStack({ primary: { ...busy.primary, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` } });
    expect(await list(stack)).toMatchObject({ status: 200, text: '{}' });
    await stack.atRest();
    server.close();
  });

  test('an upstream that answers before it has read all: its answer comes', async () => {
    const early = createServer((socket) => {
      socket.on('error', () => undefined).once('data', () => void socket.end('HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno'));
    });
    await new Promise<void>((resolve) => void early.listen(0, '127.0.0.1', resolve));
    const stack = await startStack({ primary: { ...busy.primary, baseUrl: `http://127.0.0.1:${(early.address() as AddressInfo).port}/v1` } });
    const reply = await ask(stack.url, Buffer.alloc(2_000_000), { path: '/v1/files', headers: ON });
    expect(reply).toMatchObject({ status: 413, text: 'no' });
    await stack.atRest();
    early.close();
  });

  test.each([['never answers', () => undefined], ['stops midway', 'part']])('an upstream that %s is left after `total`', async (_, how) => {
    const upstream = await startUpstream((res) => {
      if (how === 'part') res.writeHead(200, { 'content-length': 10 }).write('part');
    });
    const stack = await startStack({ primary: { ...busy.primary, baseUrl: upstream.baseUrl }, policy: { timeouts: { total: '300ms' } } });
    const reply = await list(stack);
    if (how === 'part') expect(reply).toMatchObject({ status: 200, text: 'part', end: 'ECONNRESET' });
    else expect([reply.status, codeIn(reply.text)]).toEqual([504, 'timeout']);
    await until(() => upstream.connections.open === 0, 'its connection is closed');
    await stack.atRest();
    expect(await stack.metric('spillway_attempts_total', { model: 'primary', outcome: 'failed', reason: 'timeout' })).toBe(1);
  });

  test('a caller that brings no more of its upload is left as well', async () => {
    const stack = await startStack({ ...busy, policy: { timeouts: { total: '300ms' } } });
    const raw = rawConnection(stack.port, 'POST /v1/files HTTP/1.1\r\nhost: x\r\nx-spillway-model: primary\r\ncontent-length: 1000000\r\n\r\nabc');
    expect((await raw.closed).text).toMatch(/^HTTP\/1\.1 504 /);
    await stack.atRest();
  });

  test('an upload that comes slowly, but comes, is no silence', async () => {
    const alphabet = 'abcdefghijklmnopqrstuvwxyz';
    const upstream = await startUpstream((res) => res.end('ok'));
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl }, policy: { timeouts: { total: '1s' } } });
    const raw = rawConnection(stack.port, 'POST /v1/files HTTP/1.1\r\nhost: x\r\nx-spillway-model: primary\r\ncontent-length: 26\r\nconnection: close\r\n\r\n');
    // In all longer than any silence may be, and each pause far from it.
    for (const letter of alphabet) {
      raw.socket.write(letter);
      await later(50);
    }
    expect((await raw.closed).text).toMatch(/^HTTP\/1\.1 200 /);
    expect(upstream.seen[0]!.body.toString()).toBe(alphabet);
  });

  test('a shutdown waits for it, and takes no new one', async () => {
    const stack = await startStack();
    const { id } = await uploaded(stack);
    stack.sim.faults.add({ delayMs: 300 });
    const running = ask(stack.url, undefined, { method: 'GET', path: `/v1/files/${id}/content`, headers: ON });
    await until(() => stack.sim.log.length === 2, 'it runs');
    await stack.stop(5000);
    expect(await running).toMatchObject({ status: 200, text: 'abc', end: 'whole' });
  });
});

async function uploaded(stack: Stack): Promise<{ id: string }> {
  const form = new FormData();
  form.set('purpose', 'batch');
  form.set('file', new File(['abc'], 'a'));
  const reply = await fetch(`${stack.sim.url}/v1/files`, { method: 'POST', body: form, headers: { authorization: 'Bearer sk-direct' } });
  return (await reply.json()) as { id: string };
}
