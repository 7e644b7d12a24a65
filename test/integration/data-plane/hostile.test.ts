/** Wrong and hostile callers: a clear answer in OpenAI's shape or a clean close, the next request works, nothing is kept. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { BUFFER, chatHead, hi, KEYS, later, rawConnection, startStack, until, type Stack } from '../../support/stack.ts';
import { ask } from '../../unit/simulator/client.ts';

const SECRET = 'prompt-that-nobody-may-log';
const APP_KEY = 'sk-of-the-app';
let stack: Stack;

function expectError(text: string, code: string): { message: string } {
  const { error } = JSON.parse(text) as { error: { message: string; type: string; param: null; code: string } };
  expect(error).toMatchObject({ code, param: null, type: expect.stringMatching(/_error$/), message: expect.any(String) });
  expect(text).not.toMatch(/at .*\.ts|node_modules|node:internal/);
  return error;
}

describe('a caller', () => {
  // Within a block, so that this comes before the stack is closed.
  beforeEach(async () => {
    stack = await startStack({ sidecar: { bodyIdleMs: 300, bufferBytes: BUFFER } });
  });

  afterEach(async () => {
    const next = await stack.client.chat.completions.create(hi());
    expect(next.choices[0]!.finish_reason).toBe('stop');
    const log = stack.log.join('');
    for (const secret of [SECRET, APP_KEY, ...Object.values(KEYS)]) expect(log).not.toContain(secret);
    expect(stack.log.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  });

  describe('bodies', () => {
    const deep = (n: number): string => `{"model":"chat","a":${'['.repeat(n)}${']'.repeat(n)}}`;

    test.each<[string, string | Buffer, number, string]>([
      ['empty', '', 400, 'invalid_json'],
      ['no JSON', `${SECRET} is no JSON`, 400, 'invalid_json'],
      ['half of it', `{"model":"chat","messages":[{"content":"${SECRET}`, 400, 'invalid_json'],
      ['more after it', '{"model":"chat"}{"model":"chat"}', 400, 'invalid_json'],
      ['a list', '[{"model":"chat"}]', 400, 'invalid_json'],
      ['a text', '"chat"', 400, 'invalid_json'],
      ['null', 'null', 400, 'invalid_json'],
      ['with a byte order mark', '\ufeff{"model":"chat"}', 400, 'invalid_json'],
      ['UTF-16', Buffer.from('{"model":"chat"}', 'utf16le'), 400, 'invalid_json'],
      ['invalid UTF-8', Buffer.from([...Buffer.from('{"model":"chat","a":"'), 0xff, 0xc3, ...Buffer.from('"}')]), 400, 'invalid_encoding'],
      ['nested 10,000 deep', deep(10_000), 400, 'invalid_json'],
      ['without model', '{"messages":[]}', 400, 'missing_model'],
      ['model inside only', '{"a":{"model":"chat"}}', 400, 'missing_model'],
      ['model null', '{"model":null}', 400, 'invalid_model'],
      ['model a number', '{"model":1e999}', 400, 'invalid_model'],
      ['model an object', '{"model":{"model":"chat"}}', 400, 'invalid_model'],
      ['model empty', '{"model":""}', 400, 'invalid_model'],
      ['model twice', '{"model":"chat","model":"backup"}', 400, 'duplicate_member'],
      ['model twice, once escaped', '{"model":"chat","mode\\u006c":"backup"}', 400, 'duplicate_member'],
      ['an unknown model', `{"model":"${'x'.repeat(100_000)}"}`, 404, 'model_not_found'],
      ['a model of the prototype', '{"model":"__proto__"}', 404, 'model_not_found'],
      ['a model with control characters', '{"model":"a\\r\\nset-cookie: x\\u0000"}', 404, 'model_not_found'],
      ['larger than allowed', JSON.stringify(hi({ a: 'x'.repeat(BUFFER) })), 413, 'body_too_large'],
    ])('%s', async (_, body, status, code) => {
      const reply = await ask(stack.url, body, { headers: { authorization: `Bearer ${APP_KEY}` } });
      expect({ status: reply.status, type: reply.headers['content-type'], end: reply.end }).toEqual({ status, type: 'application/json', end: 'whole' });
      expectError(reply.text, code);
      expect(reply.text.length).toBeLessThan(600);
      expect(reply.text).not.toContain(SECRET);
      expect(stack.sim.log).toEqual([]);
    });

    test('as deep as clients go is fine', async () => {
      expect((await ask(stack.url, deep(200))).status).not.toBe(500);
      expect(stack.sim.log).toHaveLength(1);
    });

    test.each([
      ['text/plain', 'wrong_content_type'], ['application/x-www-form-urlencoded', 'wrong_content_type'], ['multipart/form-data; boundary=x', 'wrong_content_type'], ['', 'wrong_content_type'], ['xapplication/json', 'wrong_content_type'],
    ])('content-type %j', async (type, code) => {
      const reply = await ask(stack.url, hi(), { headers: { 'content-type': type } });
      expect(reply.status).toBe(415);
      expectError(reply.text, code);
    });

    test.each([['application/json; charset=utf-8'], ['Application/JSON'], ['application/vnd.api+json']])('content-type %s is JSON', async (type) => {
      expect((await ask(stack.url, hi(), { headers: { 'content-type': type } })).status).toBe(200);
    });

    test('encoded', async () => {
      const reply = await ask(stack.url, hi(), { headers: { 'content-encoding': 'gzip' } });
      expect(reply.status).toBe(415);
      expect(expectError(reply.text, 'encoded_body').message).toContain('gzip');
    });

    test('larger than allowed, in chunks of unknown length', async () => {
      const raw = rawConnection(stack.port, chatHead('chunked'));
      const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`;
      raw.socket.on('error', () => undefined);
      for (let i = 0; i < 40; i++) raw.socket.write(chunk);
      const { text } = await raw.closed;
      expect(text).toMatch(/^HTTP\/1\.1 413 /);
      expectError(text.split('\r\n\r\n')[1]!, 'body_too_large');
    });

    test('larger than allowed, and still being sent: the official client is told so', async () => {
      const body = { ...hi(), user: 'x'.repeat(20 * 1024 * 1024) };
      for (let i = 0; i < 5; i++) await expect(stack.client.chat.completions.create(body)).rejects.toMatchObject({ status: 413, code: 'body_too_large' });
    });

    test('more than all requests together may hold: 503, and told to come back', async () => {
      // The one that is held must not be given up meanwhile.
      stack = await startStack({ sidecar: { bodyIdleMs: 10_000, bufferBytes: BUFFER } });
      const most = Math.floor(BUFFER * 0.7);
      const half = rawConnection(stack.port, chatHead(most) + 'x'.repeat(most - 1));
      await until(async () => (await ask(stack.url, 'x'.repeat(most))).status === 503, 'it is held');
      const refused = await rawConnection(stack.port, chatHead(most)).closed;
      expect(refused.text).toMatch(/^HTTP\/1\.1 503 /);
      expect(refused.text).toMatch(/\r\nretry-after: 1\r\n/i);
      expectError(refused.text.split('\r\n\r\n')[1]!, 'buffer_full');
      half.socket.destroy();
      await stack.atRest();
    });

    test('that is only announced holds nothing', async () => {
      const silent = Array.from({ length: 3 }, () => rawConnection(stack.port, chatHead(BUFFER - 1000)));
      const body = JSON.stringify(hi());
      const raw = rawConnection(stack.port, chatHead(body.length, 'connection: close\r\n') + body);
      expect((await raw.closed).text).toMatch(/^HTTP\/1\.1 200 /);
      for (const { socket } of silent) socket.destroy();
      await stack.atRest();
    });

    test('that stops arriving: 408', async () => {
      const raw = rawConnection(stack.port, `${chatHead(100)}{"model":`);
      const { text } = await raw.closed;
      expect(text).toMatch(/^HTTP\/1\.1 408 /);
      expectError(text.split('\r\n\r\n')[1]!, 'body_timeout');
    });

    test('that comes byte by byte, but comes', async () => {
      // In all longer than any pause may be, and each pause far from it.
      stack = await startStack({ sidecar: { bodyIdleMs: 1000, bufferBytes: BUFFER } });
      const body = JSON.stringify(hi());
      const raw = rawConnection(stack.port, chatHead(body.length, 'connection: close\r\n'));
      for (const piece of body.match(/.{1,2}/gs)!) {
        raw.socket.write(piece);
        await later(50);
      }
      expect((await raw.closed).text).toMatch(/^HTTP\/1\.1 200 /);
    });

    test.each([['a known length', chatHead(BUFFER / 4)], ['chunks', `${chatHead('chunked')}400\r\n`]])('whose sender leaves in the middle (%s)', async (_, head) => {
      const raw = rawConnection(stack.port, head + 'x'.repeat(500));
      await later(50);
      raw.socket.destroy();
      await stack.atRest();
      expect(stack.sim.log).toEqual([]);
    });

    test.each([['a wrong length', 'content-length: 5\r\ncontent-length: 6'], ['two framings', 'content-length: 5\r\ntransfer-encoding: chunked'], ['a length that is none', 'content-length: -1']])('%s', async (_, framing) => {
      const raw = rawConnection(stack.port, `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${framing}\r\n\r\n{"a":`);
      const { text } = await raw.closed;
      expect(text).toMatch(/^HTTP\/1\.1 400 /);
      expectError(text.split('\r\n\r\n')[1]!, 'invalid_http');
    });
  });

  describe('paths and methods', () => {
    test.each([
      ['GET', '/v1/chat/completions', 405, 'method_not_allowed'],
      ['DELETE', '/v1/chat/completions', 405, 'method_not_allowed'],
      ['POST', '/v1/embeddings/x', 404, 'unknown_path'],
      ['GET', '/', 404, 'unknown_path'],
      ['GET', '/metrics', 404, 'unknown_path'],
      ['POST', '/v1/models', 404, 'unknown_path'],
      ['GET', '/v1/models/%E0%A4%A', 404, 'unknown_path'],
      ['GET', '/%', 404, 'unknown_path'],
      ['GET', '/v1/models/..%2f..%2fetc%2fpasswd', 404, 'model_not_found'],
      ['GET', `/v1/models/${'x'.repeat(5000)}`, 404, 'model_not_found'],
      ['GET', '/v1/<script>%0d%0aset-cookie:x', 404, 'unknown_path'],
      ['OPTIONS', '/v1/chat/completions', 405, 'method_not_allowed'],
      ['PUT', '/v1/chat/completions', 405, 'method_not_allowed'],
    ])('%s %s', async (method, path, status, code) => {
      const reply = await ask(stack.url, undefined, { method, path });
      expect({ status: reply.status, type: reply.headers['content-type'], cookie: reply.headers['set-cookie'] }).toEqual({ status, type: 'application/json', cookie: undefined });
      expectError(reply.text, code);
      expect(reply.text.length).toBeLessThan(600);
    });
  });

  describe('HTTP', () => {
    test('headers beyond all measure', async () => {
      const { text } = await rawConnection(stack.port, `GET /v1/models HTTP/1.1\r\nhost: x\r\nx-a: ${'a'.repeat(100_000)}\r\n\r\n`).closed;
      expect(text).toMatch(/^HTTP\/1\.1 431 /);
      expectError(text.split('\r\n\r\n')[1]!, 'invalid_http');
    });

    test.each([['garbage', '\x16\x03\x01\x02\x00\x01\x00'], ['a line that is none', 'HELLO\r\n\r\n'], ['no host', 'GET /v1/models HTTP/1.1\r\n\r\n']])('%s', async (_, bytes) => {
      const { text } = await rawConnection(stack.port, bytes).closed;
      expect(text).toMatch(/^HTTP\/1\.1 400 /);
      expect(text).not.toMatch(/at .*\.ts|node_modules/);
    });

    test('garbage behind a request: the request is answered or the connection closed, nothing runs on', async () => {
      const body = JSON.stringify(hi());
      const raw = rawConnection(stack.port, `${chatHead(body.length)}${body}GARBAGE\r\n\r\n`);
      const { text } = await raw.closed;
      expect(text).toMatch(/^HTTP\/1\.1 (200|400) /);
      await stack.atRest();
    });

    test('garbage behind a stream does not look like a part of it', async () => {
      stack.sim.faults.add({ tokensPerSecond: 100, answerTokens: 1000 });
      const body = JSON.stringify(hi({ stream: true }));
      const raw = rawConnection(stack.port, chatHead(body.length) + body);
      await until(() => raw.text().includes('quick'), 'the stream has begun');
      raw.socket.write('GARBAGE\r\n\r\n');
      const { text } = await raw.closed;
      expect(text).not.toContain('[DONE]');
      // The stream's own framing must not be ended.
      expect(text).not.toContain('\r\n0\r\n\r\n');
      await stack.atRest();
      await until(() => stack.sim.log[0]!.outcome === 'client-left', 'the upstream is left');
    });

    test('two requests at once on one connection are answered in turn', async () => {
      const one = (model: string, last = ''): string => {
        const body = JSON.stringify(hi({ model }));
        return chatHead(body.length, last) + body;
      };
      stack.sim.faults.add({ model: 'sim-primary', delayMs: 150 });
      const { text } = await rawConnection(stack.port, one('primary') + one('backup', 'connection: close\r\n')).closed;
      expect([...text.matchAll(/x-spillway-model: (\w+)/g)].map(([, model]) => model)).toEqual(['primary', 'backup']);
    });

    test('who leaves with two requests on one connection leaves nothing running', async () => {
      const body = JSON.stringify(hi());
      const hangs = { hang: true, count: 2 };
      stack.sim.faults.add(hangs);
      const raw = rawConnection(stack.port, (chatHead(body.length) + body).repeat(2));
      await until(() => stack.sim.log.length === 2, 'both calls arrive');
      raw.socket.destroy();
      await stack.atRest();
    });

    test('who leaves with two requests of which the second is answered already', async () => {
      const body = (model: string): string => JSON.stringify(hi({ model }));
      stack.sim.faults.add({ model: 'sim-primary', hang: true });
      const raw = rawConnection(stack.port, chatHead(body('primary').length) + body('primary') + chatHead(body('backup').length) + body('backup'));
      await until(async () => stack.sim.log.length === 2 && (await stack.metric('spillway_attempts_total', { outcome: 'ok' })) === 1, 'the second is answered');
      raw.socket.destroy();
      await stack.atRest();
    });
  });
});
