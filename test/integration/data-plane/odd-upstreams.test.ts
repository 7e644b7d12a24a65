/** Answers that are odd and right all the same: what a client of the upstream itself would take, the app gets. */
import { ServerResponse } from 'node:http';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { hi, startStack, startUpstream } from '../../support/stack.ts';
import { ask } from '../../unit/simulator/client.ts';

const ANSWER = '{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}';
const STREAM = ['{"index":0,"delta":{"content":"yes"},"finish_reason":null}', '{"index":0,"delta":{},"finish_reason":"stop"}'].map((choice) => `data: {"id":"x","choices":[${choice}]}\n\n`).join('') + 'data: [DONE]\n\n';
const MARK = '\ufeff';

const bodyOf = (stream: boolean): string => (stream ? STREAM : ANSWER);
const typeOf = (stream: boolean): string => (stream ? 'text/event-stream; charset=utf-8' : 'application/json');

afterEach(() => {
  jest.restoreAllMocks();
});

describe.each([true, false])('stream: %s', (stream) => {
  test('the other kind of answer than was asked for is none: clients read nothing in it', async () => {
    const upstream = await startUpstream((res) => void res.writeHead(200, { 'content-type': typeOf(!stream) }).end(bodyOf(!stream)));
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    expect((await ask(stack.url, hi({ stream }))).headers).toMatchObject({ 'x-spillway-model': 'backup', 'x-spillway-reason': 'malformed_response' });
  });

  test('a header that stands twice, as proxies in a row write it', async () => {
    const upstream = await startUpstream((res) => {
      res.writeHead(200, ['content-type', typeOf(stream), 'content-type', typeOf(stream), 'connection', 'keep-alive', 'connection', 'x-hop', 'x-hop', '1']);
      res.end(bodyOf(stream));
    });
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl, limits: { concurrency: 1 } } });
    for (let nth = 0; nth < 3; nth++) {
      const { status, headers, text } = await ask(stack.url, hi({ stream }));
      expect({ status, model: headers['x-spillway-model'], hop: headers['x-hop'], text }).toEqual({ status: 200, model: 'primary', hop: undefined, text: bodyOf(stream) });
    }
  });

  test('a byte order mark before it passes, with the answer', async () => {
    const upstream = await startUpstream((res) => void res.writeHead(200, { 'content-type': typeOf(stream) }).end(MARK + bodyOf(stream)));
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    const { status, headers, body } = await ask(stack.url, hi({ stream }));
    expect({ status, model: headers['x-spillway-model'], text: body.toString() }).toEqual({ status: 200, model: 'primary', text: MARK + bodyOf(stream) });
  });
});

test('a byte order mark within a stream is no mark', async () => {
  const [first, ...rest] = STREAM.split('\n\n');
  const upstream = await startUpstream((res) => void res.writeHead(200, { 'content-type': typeOf(true) }).end([first, MARK + rest[0], ...rest.slice(1)].join('\n\n')));
  const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
  expect((await ask(stack.url, hi({ stream: true }))).text).toContain('"code":"malformed_response"');
});

test.each(['{"choices":null}', '{"choices":[]}', '{"choices":[ \n]}', '{"choices":{}}', '{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":0}}'])('%s is no answer', async (body) => {
  const upstream = await startUpstream((res) => void res.writeHead(200, { 'content-type': typeOf(false) }).end(body));
  const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
  expect((await ask(stack.url, hi())).headers).toMatchObject({ 'x-spillway-model': 'backup', 'x-spillway-reason': 'malformed_response' });
});

test('what a defect of ours breaks off is answered, and holds nothing', async () => {
  const upstream = await startUpstream((res) => void res.writeHead(200, { 'content-type': typeOf(false) }).end(ANSWER));
  const stack = await startStack({ primary: { baseUrl: upstream.baseUrl, limits: { concurrency: 1 } } });
  // Of the two servers in this process, the sidecar alone names a model.
  const { writeHead } = ServerResponse.prototype;
  let defects = 1;
  jest.spyOn(ServerResponse.prototype, 'writeHead').mockImplementation(function (this: ServerResponse, ...args: Parameters<typeof writeHead>) {
    if (JSON.stringify(args).includes('x-spillway-model') && defects-- > 0) throw new Error('a defect');
    return writeHead.apply(this, args);
  });
  const broken = await ask(stack.url, hi());
  expect({ status: broken.status, text: broken.text }).toEqual({ status: 500, text: expect.stringContaining('"code":"internal_error"') });
  expect(await stack.used('primary', 'concurrency')).toBe(0);
  expect((await ask(stack.url, hi())).headers['x-spillway-model']).toBe('primary');
});
