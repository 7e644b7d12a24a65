/** Which paths are forwarded, to whom, and that no spelling of one reaches another. */
import { describe, expect, test } from '@jest/globals';
import type { IncomingMessage, ServerResponse } from 'node:http';
import OpenAI from 'openai';
import { ask } from '../../unit/simulator/client.ts';
import { rawConnection, startStack, startUpstream, until } from '../../support/stack.ts';

const ON = { 'x-spillway-model': 'primary' };
const echo = (res: ServerResponse, _seen: unknown, req: IncomingMessage): void => void res.writeHead(200, { 'x-url': req.url! }).end();

type Own = { error: { code: string; message: string; type: string; param: null } };
const errorIn = (text: string): Own['error'] => (JSON.parse(text) as Own).error;

describe('the model', () => {
  test.each([
    ['missing', {}, 400, 'missing_passthrough_model', /primary, backup/],
    ['empty', { 'x-spillway-model': '' }, 400, 'missing_passthrough_model', /primary, backup/],
    ['unknown', { 'x-spillway-model': 'gpt-9' }, 404, 'unknown_passthrough_model', /"gpt-9".*primary, backup/],
    ['of the prototype', { 'x-spillway-model': '__proto__' }, 404, 'unknown_passthrough_model', /primary/],
    ['a group', { 'x-spillway-model': 'chat' }, 404, 'unknown_passthrough_model', /"chat", which is no model/],
    ['without its key', { 'x-spillway-model': 'keyless' }, 502, 'unusable_model', /"keyless".*auth/],
    ['of a provider that is not built', { 'x-spillway-model': 'elsewhere' }, 502, 'unusable_model', /"elsewhere".*untranslatable/],
  ])('%s', async (_, headers, status, code, message) => {
    const models = { keyless: { provider: 'openai', model: 'x', apiKey: { env: 'NOT_THERE' } }, elsewhere: { provider: 'bedrock', model: 'x', region: 'us-east-1' } };
    const { url, sim } = await startStack({ models });
    const reply = await ask(url, undefined, { method: 'GET', path: '/v1/files', headers });
    expect([reply.status, errorIn(reply.text)]).toEqual([status, expect.objectContaining({ code, param: null, message: expect.stringMatching(message) })]);
    expect(sim.log).toEqual([]);
  });

  test('the official client is told so', async () => {
    const { url } = await startStack();
    const client = new OpenAI({ apiKey: 'x', baseURL: `${url}/v1`, maxRetries: 0 });
    await expect(client.files.list()).rejects.toMatchObject({ status: 400, code: 'missing_passthrough_model' });
    await expect(client.fineTuning.jobs.list()).rejects.toMatchObject({ status: 404, code: 'unknown_path', message: expect.stringMatching(/GET \/v1\/fine_tuning\/jobs.*POST \/v1\/chat\/completions.*\/v1\/files/) });
  });

  test('its base path is kept, or there is none', async () => {
    const upstream = await startUpstream(echo);
    const deep = { baseUrl: upstream.baseUrl.replace('/v1', '/deep/er/') };
    const { url } = await startStack({ primary: deep, backup: { baseUrl: upstream.baseUrl.replace('/v1', '') } });
    const urls = [];
    for (const model of ['primary', 'backup']) urls.push((await ask(url, undefined, { method: 'GET', path: '/v1/files/a?b=c', headers: { 'x-spillway-model': model } })).headers['x-url']);
    expect(urls).toEqual(['/deep/er/files/a?b=c', '/files/a?b=c']);
  });
});

describe('paths', () => {
  const QUERY = '/v1/files?a=1&a=2&b=%2F..%2f%00&c=a+b%20c&d=http://x/?y&e=%E0%A4%A&f';

  test.each([
    ['/v1/files', '/v1/files'],
    [QUERY, QUERY],
    ['/v1/files/', '/v1/files/'],
    ['/v1/files//a', '/v1/files//a'],
    ['/v1/files/file-a_B.9~x/content', '/v1/files/file-a_B.9~x/content'],
    ['/v1/files/caf%C3%A9%20a', '/v1/files/caf%C3%A9%20a'],
    ['/v1/files/..a/b..', '/v1/files/..a/b..'],
    ['/v1/files?', '/v1/files?'],
    ['/v1/files#x?y', '/v1/files'],
    ['http://elsewhere.example/v1/files/a?b', '/v1/files/a?b'],
    ['HTTP://u:p@elsewhere.example:99/v1/files', '/v1/files'],
  ])('%s is forwarded', async (path, expected) => {
    const upstream = await startUpstream(echo);
    const { port } = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    const { text } = await rawConnection(port, `GET ${path} HTTP/1.1\r\nhost: x\r\nx-spillway-model: primary\r\nconnection: close\r\n\r\n`).closed;
    expect(/x-url: (.*)\r\n/.exec(text)?.[1]).toBe(expected);
    expect(upstream.seen[0]!.headers.host).toBe(new URL(upstream.baseUrl).host);
  });

  test.each([
    '/v1/files/../chat/completions', '/v1/files/..', '/v1/files/.', '/v1/files/./a', '/v1/files/a/../../models', '/v1/files/%2e%2e/chat/completions', '/v1/files/.%2E/x', '/v1/files/%2e', '/v1/files/..%2fchat/completions', '/v1/files%2f..%2fchat',
    '/v1/files/..%5cx', '/v1/files/..\\x', '/v1/files/%252e%252e/x', '/v1/files/%25%32%65', '/v1/files/..;/x', '/v1/files/..;a=b/x', '/v1/files/a%00', '/v1/files/a%0d%0ahost:%20x', '/v1/files/a%7f', '/v1/files/%zz', '/v1/files/%', '/v1/files/a|b', '/v1/files/\xe9',
    '/v1/%66iles', '/%761/files', '//v1/files', '/v1//files', '/v1/FILES', '/V1/files', '/v1/filesx', '/v1/file', '/v1/files%20', '/v1/files%3f', '/v1/../files', '/x/../v1/files', '/./v1/files', '/v1/./files', '/files', '/v1', '/v1/', '/', '/v1/fine_tuning/jobs', '/v1/responses',
    'http://x//v1/files', 'http://x/v1/files/../models', 'ftp://x/v1/files', '*', '/v1/__proto__', '/v1/constructor',
  ])('%s is not', async (path) => {
    const upstream = await startUpstream(echo);
    const { port } = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    const raw = rawConnection(port);
    raw.socket.write(Buffer.from(`GET ${path} HTTP/1.1\r\nhost: x\r\nx-spillway-model: primary\r\nconnection: close\r\n\r\n`, 'latin1'));
    const { text } = await raw.closed;
    expect(text).toMatch(/^HTTP\/1\.1 40[04] /);
    expect(errorIn(text.split('\r\n\r\n')[1]!)).toMatchObject({ code: expect.stringMatching(/^(unknown_path|invalid_http)$/), param: null });
    expect(upstream.seen).toEqual([]);
  });

  test.each(['TRACE', 'OPTIONS', 'PROPFIND', 'QUERY'])('%s is no method of theirs: 405', async (method) => {
    const { url, sim } = await startStack();
    const reply = await ask(url, undefined, { method, path: '/v1/files', headers: ON });
    expect([reply.status, errorIn(reply.text).code, errorIn(reply.text).message]).toEqual([405, 'method_not_allowed', expect.stringContaining('GET, HEAD, POST')]);
    expect(sim.log).toEqual([]);
  });

  test.each([['GET', '/v1/embeddings'], ['GET', '/v1/completions'], ['DELETE', '/v1/embeddings'], ['PUT', '/v1/completions']])('%s %s: 405, whatever the header says', async (method, path) => {
    const { url, sim } = await startStack();
    const reply = await ask(url, undefined, { method, path, headers: ON });
    expect([reply.status, errorIn(reply.text).code]).toEqual([405, 'method_not_allowed']);
    expect(sim.log).toEqual([]);
  });

  test("a wrong method of the provider's own is the provider's to refuse", async () => {
    const { url } = await startStack();
    const reply = await ask(url, '{}', { method: 'PUT', path: '/v1/files', headers: ON });
    expect([reply.status, errorIn(reply.text).code]).toEqual([405, 'method_not_supported']);
  });
});

describe('configured paths', () => {
  /** A source whose text the test edits while the sidecar runs. */
  const edited = async (first: readonly string[] | undefined) => {
    const upstream = await startUpstream(echo);
    let give: ((text: string) => void) | undefined;
    const text = (paths: readonly string[] | undefined): string => JSON.stringify({ models: { primary: { provider: 'openai', model: 'x', baseUrl: upstream.baseUrl } }, groups: {}, ...(paths && { passthrough: { paths } }) });
    const source = {
      name: 'spillway.yaml',
      open(onText: (text: string) => void) {
        give = onText;
        onText(text(first));
        return Promise.resolve();
      },
      close: () => undefined,
    };
    const stack = await startStack({ sidecar: { source } });
    const get = async (path: string): Promise<number> => (await ask(stack.url, undefined, { method: 'GET', path, headers: ON })).status;
    return { get, edit: (paths: readonly string[]): void => give!(text(paths)), stack };
  };

  test('an edit takes effect at once, and the 404 names the new ones', async () => {
    const { get, edit, stack } = await edited(undefined);
    expect([await get('/v1/files'), await get('/v1/vector_stores')]).toEqual([200, 404]);
    edit(['vector_stores']);
    await until(async () => (await get('/v1/vector_stores')) === 200, 'the edit is in force');
    const { status, text } = await ask(stack.url, undefined, { method: 'GET', path: '/v1/files', headers: ON });
    expect([status, errorIn(text).message]).toEqual([404, expect.stringMatching(/\/v1\/vector_stores$|\/v1\/vector_stores[.,]/)]);
    expect(text).not.toContain('/v1/files,');
  });

  test('a path of several segments opens what lies under it, and no more', async () => {
    const { get } = await edited(['audio/speech']);
    const statuses = [];
    for (const path of ['/v1/audio/speech', '/v1/audio/speech/x', '/v1/audio/speechx', '/v1/audio', '/v1/audio/transcriptions', '/v1/audio/speech/../transcriptions']) statuses.push(await get(path));
    expect(statuses).toEqual([200, 200, 404, 404, 404, 404]);
  });

  test('none: nothing is forwarded', async () => {
    const { get } = await edited([]);
    expect([await get('/v1/files'), await get('/v1/audio/speech')]).toEqual([404, 404]);
  });

  test("the sidecar's own paths stay its own", async () => {
    const { get, stack } = await edited(['chat', 'models']);
    expect([await get('/v1/models'), await get('/v1/chat/completions'), await get('/v1/chat/other')]).toEqual([200, 405, 200]);
    expect((await ask(stack.url, undefined, { method: 'GET', path: '/v1/models' })).text).toContain('"primary"');
  });
});
