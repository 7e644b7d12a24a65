/** The official client, with nothing changed but its address. */
import { describe, expect, test } from '@jest/globals';
import { hi, later, startStack, startUpstream, until } from '../../support/stack.ts';

const tool = (name: string) => ({ type: 'function' as const, function: { name, parameters: { type: 'object', properties: { city: { type: 'string' } } } } });

describe('answers', () => {
  test('JSON', async () => {
    const { client, sim } = await startStack();
    const answer = await client.chat.completions.create({ ...hi(), messages: [{ role: 'user', content: 'echo: naïve 日本 👍' }] });
    expect(answer).toMatchObject({ object: 'chat.completion', model: 'sim-primary-2025-08-07', choices: [{ finish_reason: 'stop', message: { content: 'naïve 日本 👍' } }], usage: { completion_tokens: 3 } });
    expect(sim.log).toMatchObject([{ outcome: 'complete', model: 'sim-primary', authorization: 'Bearer sk-primary-secret' }]);
  });

  test('a stream; no usage chunk unless asked for, and yet the usage is charged', async () => {
    const stack = await startStack({ primary: { limits: { tokensPerMinute: 100_000 } } });
    const stream = await stack.client.chat.completions.create({ ...hi(), messages: [{ role: 'user', content: 'echo: one two three' }], stream: true });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.map((chunk) => chunk.choices[0]!.delta.content ?? '').join('')).toBe('one two three');
    expect(chunks.filter((chunk) => chunk.choices.length === 0)).toEqual([]);
    expect(stack.sim.log[0]!.body!.toString()).toContain('"include_usage":true');
    await stack.atRest();
    expect(await stack.used('primary', 'tokens')).toBe(stack.sim.log[0]!.promptTokens + 3);
  });

  test('a stream with the usage asked for', async () => {
    const { client } = await startStack();
    const stream = await client.chat.completions.create({ ...hi(), stream: true, stream_options: { include_usage: true } });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.filter((chunk) => chunk.choices.length === 0)).toMatchObject([{ usage: { completion_tokens: 20 } }]);
    expect(chunks.at(-1)!.choices).toEqual([]);
  });

  test('parallel tool calls, whole and streamed', async () => {
    const { client } = await startStack();
    const request = { model: 'chat', messages: [{ role: 'user' as const, content: 'use a tool' }], tools: [tool('weather'), tool('time')] };
    const answers = [await client.chat.completions.create(request), await client.chat.completions.stream(request).finalChatCompletion()];
    for (const answer of answers) {
      const calls = answer.choices[0]!.message.tool_calls!.map((call) => (call.type === 'function' ? call.function : undefined));
      expect(calls.map((call) => [call!.name, JSON.parse(call!.arguments)])).toEqual([['weather', { city: 'sample text' }], ['time', { city: 'sample text' }]]);
      expect(answer.choices[0]!.finish_reason).toBe('tool_calls');
    }
  });

  test('two choices, whole and streamed', async () => {
    const { client } = await startStack();
    const request = { ...hi(), n: 2, max_tokens: 4 };
    const answers = [await client.chat.completions.create(request), await client.chat.completions.stream(request).finalChatCompletion()];
    for (const answer of answers) {
      expect(answer.choices.map(({ index, finish_reason, message }) => [index, finish_reason, message.content])).toEqual([[0, 'length', 'The quick brown fox'], [1, 'length', 'The quick brown fox']]);
    }
  });
});

describe('the client leaves', () => {
  const limits = { requestsPerMinute: 100, tokensPerMinute: 100_000, concurrency: 5 };

  test('while it waits for a JSON answer', async () => {
    const stack = await startStack({ primary: { limits } });
    stack.sim.faults.add({ delayMs: 60_000 });
    const leaving = new AbortController();
    const answer = stack.client.chat.completions.create(hi(), { signal: leaving.signal });
    await until(() => stack.sim.log.length === 1, 'the call arrives');
    expect(await stack.used('primary', 'concurrency')).toBe(1);
    leaving.abort();
    await expect(answer).rejects.toMatchObject({ message: 'Request was aborted.' });
    await until(() => stack.sim.log[0]!.outcome === 'client-left', 'the upstream sees it');
    await stack.atRest();
    expect(await stack.used('primary', 'requests')).toBe(1);
    // The upstream took the request in: its tokens are gone, whatever became of it.
    expect(await stack.used('primary', 'tokens')).toBeGreaterThan(1000);
    expect(await stack.metric('spillway_attempts_total', { model: 'primary', outcome: 'client_left' })).toBe(1);
    expect(await stack.metric('spillway_requests_total', { outcome: 'client_left' })).toBe(1);
    expect(stack.sim.log).toHaveLength(1);
  });

  test.each([
    ['before the upstream has answered', { delayMs: 60_000 }],
    ['between the headers and the first token', { firstTokenMs: 60_000 }],
  ])('a stream, %s', async (_, fault) => {
    const stack = await startStack({ primary: { limits } });
    stack.sim.faults.add(fault);
    const leaving = new AbortController();
    const answer = stack.client.chat.completions.create({ ...hi(), stream: true }, { signal: leaving.signal });
    await until(() => stack.sim.log.length === 1, 'the call arrives');
    if (!('delayMs' in fault)) await until(() => stack.sim.log[0]!.status === 200, 'its headers are sent');
    leaving.abort();
    await expect(answer).rejects.toMatchObject({ message: 'Request was aborted.' });
    await until(() => stack.sim.log[0]!.outcome === 'client-left', 'the upstream sees it');
    await stack.atRest();
    expect(await stack.metric('spillway_requests_total', { outcome: 'client_left' })).toBe(1);
    expect(stack.sim.log).toHaveLength(1);
  });

  test('a stream, after the role, before the first token', async () => {
    let left = false;
    const upstream = await startUpstream((res) => {
      res.on('close', () => void (left = true));
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n');
    });
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl, limits } });
    const leaving = new AbortController();
    const answer = stack.client.chat.completions.create({ ...hi(), stream: true }, { signal: leaving.signal });
    await until(() => upstream.seen.length === 1, 'the call arrives');
    await later(50);
    leaving.abort();
    await expect(answer).rejects.toMatchObject({ message: 'Request was aborted.' });
    await until(() => left, 'the upstream sees it');
    await stack.atRest();
    expect(await stack.used('primary', 'tokens')).toBeGreaterThan(1000);
  });

  test('in the middle of a stream', async () => {
    const stack = await startStack({ primary: { limits } });
    stack.sim.faults.add({ tokensPerSecond: 200, answerTokens: 100_000 });
    const stream = await stack.client.chat.completions.create({ ...hi(), stream: true });
    let count = 0;
    for await (const _ of stream) if (++count === 5) break;
    await until(() => stack.sim.log[0]!.outcome === 'client-left', 'the upstream sees it');
    await stack.atRest();
    expect(stack.sim.log[0]!.completionTokens).toBeLessThan(10_000);
    expect(await stack.used('primary', 'requests')).toBe(1);
    expect(await stack.used('primary', 'tokens')).toBeGreaterThanOrEqual(4);
    expect(await stack.metric('spillway_requests_total', { outcome: 'client_left', model: 'primary' })).toBe(1);
  });
});

describe('models', () => {
  test('are listed under every name that may be asked for', async () => {
    const { client } = await startStack();
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['chat', 'primary', 'backup']);
    expect(await client.models.retrieve('chat')).toMatchObject({ id: 'chat', object: 'model' });
    await expect(client.models.retrieve('nope')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });

  test('a name with a slash is found as well', async () => {
    const { client, sim } = await startStack({ models: { 'meta/llama': { provider: 'openai', model: 'm', baseUrl: 'http://127.0.0.1:1/v1' } } });
    expect(await client.models.retrieve('meta/llama')).toMatchObject({ id: 'meta/llama' });
    expect(sim.log).toEqual([]);
  });

  test('an unknown one is NotFoundError, and names the known ones', async () => {
    const { client, sim } = await startStack();
    const failed = client.chat.completions.create({ ...hi(), model: 'gpt-9' });
    await expect(failed).rejects.toMatchObject({ name: 'Error', status: 404, code: 'model_not_found', message: expect.stringMatching(/"gpt-9".*chat, primary, backup/) });
    await expect(failed).rejects.toHaveProperty('constructor.name', 'NotFoundError');
    expect(sim.log).toEqual([]);
  });

  test('a model may be asked for by its own name', async () => {
    const { client, sim } = await startStack();
    await client.chat.completions.create({ ...hi(), model: 'backup' });
    expect(sim.log.map(({ model }) => model)).toEqual(['sim-backup']);
  });
});
