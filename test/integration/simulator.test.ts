/** The simulator as a whole: its API with the official client, its limits under a clock of our own, its log. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import { startSimulator, type Simulator, type SimulatorOptions } from '../../src/simulator/server.ts';
import { ask, chunksOf, contentOf, events, hello } from '../unit/simulator/client.ts';

let running: Simulator[] = [];
afterEach(async () => {
  await Promise.all(running.map((sim) => sim.close()));
  running = [];
});

async function start(options: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  const sim = await startSimulator({ models: [{ name: 'gpt-5-nano' }], ...options });
  running.push(sim);
  return sim;
}

const client = (sim: Simulator) => new OpenAI({ apiKey: 'sk-test', baseURL: `${sim.url}/v1`, maxRetries: 0 });
const errorOf = (text: string) => (JSON.parse(text) as { error: object }).error;
const tool = (name: string) => ({ type: 'function' as const, function: { name, parameters: { type: 'object', properties: { city: { type: 'string' } } } } });

describe('the official client', () => {
  test('a completion', async () => {
    const answer = await client(await start()).chat.completions.create({ model: 'gpt-5-nano', messages: [{ role: 'user', content: 'hello there' }] });
    expect(answer).toMatchObject({ object: 'chat.completion', model: 'gpt-5-nano-2025-08-07', id: expect.stringMatching(/^chatcmpl-/) });
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'stop', message: { role: 'assistant', refusal: null } });
    expect(answer.choices[0]!.message.content!.split(' ')).toHaveLength(20);
    expect(answer.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 20, total_tokens: 23 });
  });

  test('a stream with usage', async () => {
    const sim = await start();
    const stream = await client(sim).chat.completions.create({ model: 'gpt-5-nano', messages: [{ role: 'user', content: 'echo: one two three' }], stream: true, stream_options: { include_usage: true } });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe('one two three');
    expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null && chunk.choices.length === 1)).toBe(true);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 3 } });
    expect(sim.log[0]).toMatchObject({ outcome: 'complete', completionTokens: 3, stream: true, authorization: 'Bearer sk-test' });
  });

  test.each([true, false])('tool calls, in parallel: %s', async (parallel) => {
    const openai = client(await start());
    const request = { model: 'gpt-5-nano', messages: [{ role: 'user' as const, content: 'use a tool' }], tools: [tool('weather'), tool('time')], parallel_tool_calls: parallel };
    const names = parallel ? ['weather', 'time'] : ['weather'];
    const whole = await openai.chat.completions.create(request);
    const streamed = await openai.chat.completions.stream(request).finalChatCompletion();
    for (const answer of [whole, streamed]) {
      const calls = answer.choices[0]!.message.tool_calls!.map((call) => (call.type === 'function' ? call.function : { name: '', arguments: '' }));
      expect(calls.map((call) => call.name)).toEqual(names);
      expect(calls.map((call) => JSON.parse(call.arguments) as unknown)).toEqual(names.map(() => ({ city: 'sample text' })));
      expect(answer.choices[0]!.finish_reason).toBe('tool_calls');
    }
  });

  test('tool_choice decides', async () => {
    const openai = client(await start());
    const request = { model: 'gpt-5-nano', messages: [{ role: 'user' as const, content: 'hi' }], tools: [tool('weather'), tool('time')] };
    const finish = async (extra: object) => (await openai.chat.completions.create({ ...request, ...extra })).choices[0]!.finish_reason;
    expect(await finish({})).toBe('stop');
    expect(await finish({ tool_choice: 'required' })).toBe('tool_calls');
    expect(await finish({ tool_choice: 'none', messages: [{ role: 'user', content: 'a tool' }] })).toBe('stop');
    const named = await openai.chat.completions.create({ ...request, tool_choice: { type: 'function', function: { name: 'time' } } });
    expect(named.choices[0]!.message.tool_calls![0]).toMatchObject({ function: { name: 'time' } });
  });

  test('models, and errors as classes of its own', async () => {
    const openai = client(await start());
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(['gpt-5-nano']);
    expect(await openai.models.retrieve('gpt-5-nano')).toMatchObject({ object: 'model' });
    await expect(openai.models.retrieve('nope')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
    await expect(openai.chat.completions.create({ model: 'nope', messages: [] })).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
    await expect(openai.chat.completions.create({ model: 'gpt-5-nano', messages: [] })).rejects.toMatchObject({ status: 400, code: 'empty_array', param: 'messages' });
  });

  test('an error in a stream is thrown', async () => {
    const sim = await start();
    sim.faults.add({ errorEvent: 2 });
    const stream = await client(sim).chat.completions.create({ model: 'gpt-5-nano', messages: [{ role: 'user', content: 'hi' }], stream: true });
    await expect((async () => { for await (const _ of stream); })()).rejects.toMatchObject({ type: 'server_error' });
  });
});

describe('the API', () => {
  test('n choices, cap, JSON mode', async () => {
    const sim = await start();
    const streamed = await ask(sim.url, hello({ n: 3, max_tokens: 4, stream: true, stream_options: { include_obfuscation: false } }));
    for (const index of [0, 1, 2]) expect(contentOf(streamed.text, index)).toBe('The quick brown fox');
    expect(streamed.text).not.toContain('obfuscation');
    expect(chunksOf(streamed.text).filter((chunk) => chunk.choices[0]!.finish_reason === 'length')).toHaveLength(3);
    expect(JSON.parse((await ask(sim.url, hello({ n: 2 }))).text)).toMatchObject({ choices: [{ index: 0 }, { index: 1 }], usage: { completion_tokens: 40 } });
    const json = JSON.parse((await ask(sim.url, hello({ response_format: { type: 'json_object' } }))).text) as { choices: { message: { content: string } }[] };
    expect(JSON.parse(json.choices[0]!.message.content)).toHaveProperty('answer');
  });

  test('chunks as recorded: role first, obfuscation, no usage unless asked', async () => {
    const { text, headers } = await ask((await start()).url, hello({ stream: true }));
    const chunks = chunksOf(text);
    expect(headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(chunks[0]).toMatchObject({ object: 'chat.completion.chunk', choices: [{ index: 0, delta: { role: 'assistant', content: '', refusal: null }, finish_reason: null }], obfuscation: expect.any(String) });
    expect(chunks.at(-1)!.choices[0]).toEqual({ index: 0, delta: {}, finish_reason: 'stop' });
    expect(text).not.toContain('usage');
    expect(events(text).at(-1)).toBe('[DONE]');
  });

  test('who may come in', async () => {
    const open = await start();
    const closed = await start({ apiKeys: ['right'] });
    const key = (value: string) => ({ headers: { authorization: value } });
    expect(await ask(open.url, hello(), key(''))).toMatchObject({ status: 401, text: expect.stringContaining("You didn't provide an API key") });
    expect((await ask(open.url, hello(), key('Basic x'))).status).toBe(401);
    const wrong = await ask(closed.url, hello(), key('Bearer sk-wrong-key-1234'));
    expect([wrong.status, errorOf(wrong.text)]).toEqual([401, expect.objectContaining({ code: 'invalid_api_key', message: expect.stringMatching(/sk-\*+1234\./) })]);
    expect((await ask(closed.url, hello(), key('Bearer right'))).status).toBe(200);
  });

  test('what is not there, or not so', async () => {
    const { url } = await start({ maxBodyBytes: 1000 });
    expect(errorOf((await ask(url, hello(), { path: '/v1/nothing' })).text)).toMatchObject({ message: 'Invalid URL (POST /v1/nothing)' });
    expect((await ask(url, hello(), { path: '/chat/completions' })).status).toBe(404);
    const wrongMethod = await ask(url, undefined, { method: 'GET' });
    expect([wrongMethod.status, errorOf(wrongMethod.text)]).toEqual([405, expect.objectContaining({ message: expect.stringContaining('GET on /v1/chat/completions') })]);
    expect((await ask(url, '{"model":')).status).toBe(400);
    expect((await ask(url, '[]')).status).toBe(400);
    expect((await ask(url, hello(), { headers: { 'content-type': 'text/plain' } })).status).toBe(400);
    expect(errorOf((await ask(url, { messages: [] })).text)).toMatchObject({ message: 'you must provide a model parameter' });
    expect((await ask(url, hello({ user: 'x'.repeat(1000) }))).status).toBe(413);
  });

  test('lenient, any model, another prefix, bodies kept', async () => {
    const { url, log } = await start({ lenient: true, models: 'any', prefix: '', keepBodies: true });
    const body = hello({ model: 'new', foo: 1 });
    expect((await ask(url, body, { path: '/chat/completions?x=1', headers: { 'content-type': 'text/plain', 'x-mine': '1' } })).status).toBe(200);
    expect(log[0]).toMatchObject({ model: 'new', path: '/chat/completions', headers: { 'x-mine': '1' } });
    expect(JSON.parse(log[0]!.body!.toString())).toEqual(body);
  });

  test('a prompt beyond the context window', async () => {
    const { url } = await start({ models: [{ name: 'gpt-5-nano', contextWindow: 100 }] });
    const reply = await ask(url, hello({ max_tokens: 100 }));
    expect([reply.status, errorOf(reply.text)]).toEqual([400, {
      message: "This model's maximum context length is 100 tokens. However, you requested 101 tokens (1 in the messages, 100 in the completion). Please reduce the length of the messages or completion.",
      type: 'invalid_request_error', param: 'messages', code: 'context_length_exceeded',
    }]);
    expect((await ask(url, hello({ max_tokens: 99 }))).status).toBe(200);
  });
});

describe('pace and leaving', () => {
  test('tokens come at their rate', async () => {
    const { url } = await start({ models: [{ name: 'gpt-5-nano', answerTokens: 11, tokensPerSecond: 20, firstTokenMs: 500 }] });
    const [streamed, whole] = await Promise.all([ask(url, hello({ stream: true })), ask(url, hello())]);
    // From the request on nothing can be too early but by a timer's rounding; between two pieces the first may be seen late.
    expect(streamed.firstByteMs).toBeGreaterThanOrEqual(495);
    expect(streamed.firstByteMs - streamed.headersMs).toBeGreaterThanOrEqual(200);
    expect(streamed.totalMs).toBeGreaterThanOrEqual(990);
    expect(streamed.totalMs - streamed.firstByteMs).toBeGreaterThanOrEqual(200);
    expect(whole.headersMs).toBeGreaterThanOrEqual(1045);
  });

  test('a client that leaves stops its answer', async () => {
    const sim = await start({ models: [{ name: 'gpt-5-nano', answerTokens: 10_000, tokensPerSecond: 200 }] });
    const leave = new AbortController();
    const reply = ask(sim.url, hello({ stream: true }), { signal: leave.signal });
    await until(() => hasBegun(sim));
    leave.abort();
    await reply;
    await until(() => sim.log[0]!.outcome !== 'pending');
    expect(sim.log[0]!.outcome).toBe('client-left');
    expect(sim.log[0]!.completionTokens).toBeLessThan(2000);
  });

  test('a client that leaves in the middle of its request is recorded', async () => {
    const sim = await start();
    const socket = connect(sim.port, '127.0.0.1');
    socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n{"mo');
    // "100 Continue": it has begun to read.
    await once(socket, 'data');
    socket.destroy();
    await until(() => sim.log.length === 1);
    expect(sim.log[0]).toMatchObject({ outcome: 'client-left', status: 0, admitted: false });
  });

  test.each(['gzip', 'zstd'] as const)('a client that leaves a packed answer (%s)', async (encoding) => {
    const sim = await start({ encoding, models: [{ name: 'gpt-5-nano', answerTokens: 10_000, tokensPerSecond: 200 }] });
    const leave = new AbortController();
    const reply = ask(sim.url, hello({ stream: true }), { signal: leave.signal });
    await until(() => hasBegun(sim));
    leave.abort();
    await reply;
    await until(() => sim.log[0]!.outcome === 'client-left');
  });

  test('a client that does not read holds the answer back', async () => {
    const sim = await start({ models: [{ name: 'gpt-5-nano', answerTokens: 200_000 }] });
    const response = await fetch(`${sim.url}/v1/chat/completions`, { method: 'POST', headers: { authorization: 'Bearer x', 'content-type': 'application/json' }, body: JSON.stringify(hello({ stream: true })) });
    await sleep(150);
    expect(sim.log[0]!.outcome).toBe('pending');
    expect(sim.log[0]!.completionTokens).toBeLessThan(100_000);
    await response.body!.cancel();
    await until(() => sim.log[0]!.outcome === 'client-left');
  });
});

describe('limits', () => {
  test('requests: the real 429, and room again when it said', async () => {
    let now = 1_000_000;
    const sim = await start({ clock: () => now, models: [{ name: 'gpt-5-nano', requestsPerMinute: 10 }] });
    const statuses = await Promise.all(Array.from({ length: 12 }, async () => (await ask(sim.url, hello())).status));
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
    const refused = await ask(sim.url, hello());
    expect(refused.headers).toMatchObject({ 'retry-after': '6', 'retry-after-ms': '6000', 'x-ratelimit-limit-requests': '10', 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '1m0s' });
    expect(errorOf(refused.text)).toEqual({
      message: 'Rate limit reached for gpt-5-nano in organization org-simulator on requests per min (RPM): Limit 10, Used 10, Requested 1. Please try again in 6s. Visit https://platform.openai.com/account/rate-limits to learn more.',
      type: 'requests', param: null, code: 'rate_limit_exceeded',
    });
    now += 5999;
    expect((await ask(sim.url, hello())).status).toBe(429);
    now += 1;
    expect((await ask(sim.url, hello())).status).toBe(200);
    const stats = sim.stats().models['gpt-5-nano']!;
    expect(stats).toMatchObject({ calls: 15, admitted: 11, rejected429: 4 });
    expect(stats.worstWindow(60_000)).toEqual({ calls: 15, tokens: 15 });
    expect(stats.worstWindow(60_000, 'admitted')).toEqual({ calls: 11, tokens: 11 });
    expect(stats.worstWindow(6000, 'admitted').calls).toBe(10);
    sim.reset();
    expect((await ask(sim.url, hello())).headers['x-ratelimit-remaining-requests']).toBe('9');
  });

  test('tokens: max_tokens or the prompt, whichever is more, never given back', async () => {
    const sim = await start({ clock: () => 0, models: [{ name: 'gpt-5-nano', tokensPerMinute: 1000, answerTokens: 1 }] });
    const first = await ask(sim.url, hello({ max_tokens: 600 }));
    expect(first.headers).toMatchObject({ 'x-ratelimit-remaining-tokens': '400', 'x-ratelimit-reset-tokens': '36s' });
    expect(first.headers['x-ratelimit-limit-requests']).toBeUndefined();
    const long = [{ role: 'user', content: 'x'.repeat(1200) }];
    expect((await ask(sim.url, hello({ messages: long, max_tokens: 5 }))).headers['x-ratelimit-remaining-tokens']).toBe('100');
    expect(errorOf((await ask(sim.url, hello({ max_tokens: 200 }))).text)).toMatchObject({ type: 'tokens', message: expect.stringContaining('Limit 1000, Used 900, Requested 200. Please try again in 6s.') });
    const huge = await ask(sim.url, hello({ max_tokens: 1001 }));
    expect(errorOf(huge.text)).toMatchObject({ type: 'tokens', message: expect.stringContaining('Request too large for gpt-5-nano') });
    expect(huge.headers['retry-after']).toBeUndefined();
  });

  test.each(['fixed-minute', 'sliding-log'] as const)('%s', async (limiter) => {
    let now = 30_000;
    const sim = await start({ clock: () => now, models: [{ name: 'gpt-5-nano', requestsPerMinute: 2, limiter }] });
    const status = async (at: number) => {
      now = at;
      return (await ask(sim.url, hello())).status;
    };
    expect([await status(30_000), await status(59_000), await status(59_999)]).toEqual([200, 200, 429]);
    expect(await status(60_000)).toBe(limiter === 'fixed-minute' ? 200 : 429);
    expect(await status(90_000)).toBe(200);
  });

  test('a wrong request costs a request, an unknown model nothing', async () => {
    const sim = await start({ clock: () => 0, models: [{ name: 'gpt-5-nano', requestsPerMinute: 2, tokensPerMinute: 10 }] });
    expect((await ask(sim.url, hello({ messages: [] }))).headers).toMatchObject({ 'x-ratelimit-remaining-requests': '1', 'x-ratelimit-remaining-tokens': '10' });
    await ask(sim.url, hello({ model: 'other' }));
    expect((await ask(sim.url, hello())).status).toBe(200);
    expect((await ask(sim.url, hello())).status).toBe(429);
  });
});

test('the log forgets the oldest', async () => {
  const sim = await start({ logSize: 10 });
  for (let i = 0; i < 25; i++) await ask(sim.url, hello({ max_tokens: i + 1 }));
  expect(sim.log.length).toBeLessThanOrEqual(11);
  expect(sim.log.at(-1)).toMatchObject({ maxTokens: 25 });
});

function hasBegun({ log }: Simulator): boolean {
  return (log[0]?.completionTokens ?? 0) > 0;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}
