/** What the app sent is what the upstream gets, and what the upstream answered is what the app gets, byte for byte. */
import { describe, expect, test } from '@jest/globals';
import { ask } from '../../unit/simulator/client.ts';
import { startStack, startUpstream, type Seen, type Upstream } from '../../support/stack.ts';

const ANSWER = '{"choices" : [ {"index":0,"message":{"content":"caf\\u00e9 \u65e5"},"finish_reason":"stop"} ],\n "odd":1e400,"usage":{"prompt_tokens":1,"completion_tokens":2}, "odd":1.0}\n';
const DELTA = 'data: {"choices":[{"index":0,"delta":{"content":"a"}}] , "x":1e400}\n\n';
const FINISH = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
const DONE = 'data: [DONE]\n\n';

async function echo(upstreamModel: string, extra: object = {}, name = 'primary'): Promise<{ upstream: Upstream; send: (body: string) => Promise<Seen> }> {
  const upstream = await startUpstream((res, { body }) => {
    const stream = /"stream"\s*:\s*true/.test(body.toString());
    res.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
    res.end(stream ? DELTA + FINISH + DONE : ANSWER);
  });
  const model = { provider: 'openai', model: upstreamModel, baseUrl: upstream.baseUrl, ...extra };
  const stack = await startStack({ models: { [name]: model } });
  const send = async (body: string): Promise<Seen> => {
    const reply = await ask(stack.url, body);
    expect(reply.text).toMatch(/finish_reason/);
    expect(reply.status).toBe(200);
    return upstream.seen.at(-1)!;
  };
  return { upstream, send };
}

describe('the request', () => {
  test.each([
    ['as clients write it', '{"model":"primary","messages":[]}', '{"model":"up","messages":[]}'],
    ['odd spacing', '\n {\t"messages" : [ ] ,\r\n "model"\n:\t"primary" }  \n', '\n {\t"messages" : [ ] ,\r\n "model"\n:\t"up" }  \n'],
    ['unknown fields', '{"x_new":{"model":"primary","a":[null,{"model":1}]},"model":"primary","zz":false}', '{"x_new":{"model":"primary","a":[null,{"model":1}]},"model":"up","zz":false}'],
    ['escapes', '{"model":"prim\\u0061ry","a":"\\u00e9\\ud83d\\udc4d\\/\\n \u2028é\u007f"}', '{"model":"up","a":"\\u00e9\\ud83d\\udc4d\\/\\n \u2028é\u007f"}'],
    ['half a surrogate pair', '{"model":"primary","a":"\\ud83d"}', '{"model":"up","a":"\\ud83d"}'],
    ['numbers no parser keeps', '{"a":1e400,"b":1.0,"c":12345678901234567890,"d":-0,"e":0.1e+07,"model":"primary"}', '{"a":1e400,"b":1.0,"c":12345678901234567890,"d":-0,"e":0.1e+07,"model":"up"}'],
    ['an unknown key twice', '{"a":1,"model":"primary","a":2,"":0,"__proto__":{"b":1}}', '{"a":1,"model":"up","a":2,"":0,"__proto__":{"b":1}}'],
    ['the name escaped', '{"messages":[],"mod\\u0065l":"primary"}', '{"messages":[],"mod\\u0065l":"up"}'],
    ['stream: false', '{"model":"primary","stream":false,"stream_options":null}', '{"model":"up","stream":false,"stream_options":null}'],
  ])('%s', async (_, sent, arrived) => {
    const { send } = await echo('up');
    const { body, headers } = await send(sent);
    expect(body.toString()).toBe(arrived);
    expect(headers['content-length']).toBe(String(Buffer.byteLength(arrived)));
  });

  test("an upstream's name that must be escaped", async () => {
    const { send } = await echo('a"b\\c\nd');
    expect((await send('{"model":"primary"}')).body.toString()).toBe('{"model":"a\\"b\\\\c\\nd"}');
  });

  test.each([
    ['absent', '', '"stream_options":{"include_usage":true},', ''],
    ['empty', ',"stream_options":{}', '', ',"stream_options":{"include_usage":true}'],
    ['empty, with spaces', ',"stream_options" : {  \n} ', '', ',"stream_options" : {"include_usage":true  \n} '],
    ['null', ',"stream_options":null', '', ',"stream_options":{"include_usage":true}'],
    ['other options', ',"stream_options":{ "include_obfuscation":false}', '', ',"stream_options":{"include_usage":true, "include_obfuscation":false}'],
    ['usage refused', ',"stream_options":{"a":1, "include_usage" : false ,"b":2}', '', ',"stream_options":{"a":1, "include_usage" : true ,"b":2}'],
    ['usage null', ',"stream_options":{"include_usage":null}', '', ',"stream_options":{"include_usage":true}'],
    ['usage asked for', ',"stream_options":{ "include_usage": true }', '', ',"stream_options":{ "include_usage": true }'],
    ['names escaped', ',"stream_\\u006fptions":{"include_us\\u0061ge":false}', '', ',"stream_\\u006fptions":{"include_us\\u0061ge":true}'],
    ['no object: the upstream may say what is wrong', ',"stream_options":[ ]', '', ',"stream_options":[ ]'],
  ])('stream_options, %s', async (_, sent, added, arrived) => {
    const { send } = await echo('up');
    const { body } = await send(`{"model":"primary","stream":true${sent}}`);
    expect(body.toString()).toBe(`{${added}"model":"up","stream":true${arrived}}`);
  });

  test('includeUsage: false leaves stream_options alone', async () => {
    const { send } = await echo('up', { includeUsage: false });
    expect((await send('{"model":"primary","stream":true}')).body.toString()).toBe('{"model":"up","stream":true}');
    expect((await send('{"model":"primary","stream":true,"stream_options":{ }}')).body.toString()).toBe('{"model":"up","stream":true,"stream_options":{ }}');
  });
});

describe('the answer', () => {
  const through = async (body: string, answer: (write: (text: string) => void, end: () => void) => void, type: string) => {
    const upstream = await startUpstream((res) => {
      res.writeHead(200, { 'content-type': type });
      answer((text) => res.write(text), () => res.end());
    });
    const { url } = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    return (await ask(url, body)).text;
  };

  test('JSON', async () => {
    expect(await through('{"model":"primary"}', (write, end) => [write(ANSWER), end()], 'application/json')).toBe(ANSWER);
  });

  test('JSON beyond one write, with every kind of UTF-8', async () => {
    const long = ANSWER.replace('caf', `${'naïve 日本 👍 '.repeat(5000)}caf`);
    expect(await through('{"model":"primary"}', (write, end) => [write(long), end()], 'application/json')).toBe(long);
  });

  test('a stream, with comments, event names, CRLF and fields of the future', async () => {
    const text = `: hello\n\nevent: x\nid: 7\n${DELTA}retry: 10\n\ndata:{"choices":[{"index":0,"delta":{"content":"b"}}]}\r\n\r\n: ping\r\n\r\n${FINISH}data: {"choices":[],"new":true}\n\n${DONE}`;
    expect(await through('{"model":"primary","stream":true}', (write, end) => [write(text), end()], 'text/event-stream')).toBe(text);
  });

  test('the usage that only Spillway asked for is left out, and nothing else', async () => {
    const usage = 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n';
    const stream = (write: (text: string) => void, end: () => void) => [write(DELTA + FINISH + usage + DONE), end()];
    expect(await through('{"model":"primary","stream":true}', stream, 'text/event-stream')).toBe(DELTA + FINISH + DONE);
    const asked = '{"model":"primary","stream":true,"stream_options":{"include_usage":true}}';
    expect(await through(asked, stream, 'text/event-stream')).toBe(DELTA + FINISH + usage + DONE);
  });

  test('the simulator answers the same, asked directly and through the sidecar', async () => {
    const fixed = { clock: () => 1_700_000_000_000, random: () => 0.5 };
    for (const stream of [false, true]) {
      const { url, sim } = await startStack({ simulator: fixed });
      const direct = await ask(sim.url, { model: 'sim-primary', messages: [{ role: 'user', content: 'hi' }], stream });
      const around = await ask(url, { model: 'primary', messages: [{ role: 'user', content: 'hi' }], stream });
      expect(around.text.replaceAll(',"usage":null', '')).toBe(direct.text);
      expect(around.headers['content-type']).toBe(direct.headers['content-type']);
    }
  });
});
