/** Upstreams that encode their answers although they were asked not to. */
import { expect, test } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { ask, contentOf, events } from '../../unit/simulator/client.ts';
import { hi, startStack, startUpstream } from '../../support/stack.ts';

const encodings = ['gzip', 'br', 'deflate', 'zstd'] as const;
const said = { messages: [{ role: 'user', content: 'echo: naïve 日本 👍 song' }] };

test.each(encodings)('%s: a JSON answer', async (encoding) => {
  const stack = await startStack({ primary: { limits: { tokensPerMinute: 100_000 } } });
  stack.sim.faults.add({ encoding });
  const { headers, text, end } = await ask(stack.url, hi(said));
  expect(end).toBe('whole');
  expect(headers['content-encoding']).toBeUndefined();
  expect(JSON.parse(text)).toMatchObject({ choices: [{ message: { content: 'naïve 日本 👍 song' } }] });
  expect(await stack.metric('spillway_tokens_total', { model: 'primary', direction: 'output' })).toBe(4);
  expect(await stack.used('primary', 'tokens')).toBe(stack.sim.log[0]!.promptTokens + 4);
});

test.each(encodings)('%s: a stream', async (encoding) => {
  const stack = await startStack({ primary: { limits: { tokensPerMinute: 100_000 } } });
  stack.sim.faults.add({ encoding, tokensPerSecond: 200 });
  const { headers, text, end } = await ask(stack.url, hi({ ...said, stream: true }));
  expect(end).toBe('whole');
  expect(headers['content-encoding']).toBeUndefined();
  expect(contentOf(text)).toBe('naïve 日本 👍 song');
  expect(events(text).at(-1)).toBe('[DONE]');
  await stack.atRest();
  expect(await stack.metric('spillway_tokens_total', { model: 'primary', direction: 'output' })).toBe(4);
  expect(await stack.used('primary', 'tokens')).toBe(stack.sim.log[0]!.promptTokens + 4);
});

test.each(encodings)('%s: a stream that is cut is not taken for a whole one', async (encoding) => {
  const stack = await startStack();
  stack.sim.faults.add({ encoding, cut: 10, tokensPerSecond: 1000 });
  const { text, headers } = await ask(stack.url, hi({ stream: true }));
  // Cut inside a block of the encoding, it may never have begun: then another model has answered.
  if (headers['x-spillway-model'] === 'backup') expect(events(text).at(-1)).toBe('[DONE]');
  else {
    expect(text).toContain('"error"');
    expect(text).not.toContain('[DONE]');
  }
});

test.each([
  ['an encoding that nobody asked for', { 'content-encoding': 'dcb' }, gzipSync('{}')],
  ['two encodings', { 'content-encoding': 'gzip, br' }, gzipSync('{}')],
  ['bytes that are not what they are said to be', { 'content-encoding': 'gzip' }, Buffer.from('{"choices":[]}')],
  ['half of an encoded answer', { 'content-encoding': 'gzip' }, gzipSync(`{"choices":[],"x":"${'abc'.repeat(100)}"}`).subarray(0, 30)],
])('%s: diverted', async (_, headers, body) => {
  const upstream = await startUpstream((res) => res.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body));
  const { url } = await startStack({ primary: { baseUrl: upstream.baseUrl } });
  const reply = await ask(url, hi());
  expect(reply.headers).toMatchObject({ 'x-spillway-model': 'backup', 'x-spillway-reason': 'malformed_response' });
  expect(JSON.parse(reply.text)).toMatchObject({ choices: [{ finish_reason: 'stop' }] });
});

test("an error's encoded body is read, too", async () => {
  const error = '{"error":{"message":"too long","code":"context_length_exceeded"}}';
  const upstream = await startUpstream((res) => res.writeHead(400, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(gzipSync(error)));
  const { url } = await startStack({ primary: { baseUrl: upstream.baseUrl } });
  const reply = await ask(url, hi());
  expect({ status: reply.status, text: reply.text, encoding: reply.headers['content-encoding'] }).toEqual({ status: 400, text: error, encoding: undefined });
});
