/** The older completions: the same road as a chat, other words. */
import { describe, expect, test } from '@jest/globals';
import { ask, events } from '../../unit/simulator/client.ts';
import { startStack } from '../../support/stack.ts';
import type { Fault } from '../../../src/simulator/server.ts';

type Shown = { choices: { index: number; text: string; finish_reason: string | null }[]; usage?: unknown };

const shownIn = (text: string): Shown[] => events(text).filter((data) => data.startsWith('{')).map((data) => JSON.parse(data) as Shown);
const textOf = (chunks: readonly Shown[], index = 0): string => chunks.flatMap(({ choices }) => choices).filter((choice) => choice.index === index).map(({ text }) => text).join('');

describe('answers', () => {
  test('JSON', async () => {
    const { client, sim } = await startStack();
    const answer = await client.completions.create({ model: 'chat', prompt: 'echo: naïve 日本 👍' });
    expect(answer).toMatchObject({ object: 'text_completion', model: 'sim-primary-2025-08-07', choices: [{ text: 'naïve 日本 👍', index: 0, logprobs: null, finish_reason: 'stop' }], usage: { completion_tokens: 3 } });
    expect(sim.log).toMatchObject([{ path: '/v1/completions', model: 'sim-primary', outcome: 'complete' }]);
  });

  test('several prompts, two choices each', async () => {
    const { client } = await startStack();
    const answer = await client.completions.create({ model: 'chat', prompt: ['echo: a b', 'echo: c'], n: 2, max_tokens: 1 });
    expect(answer.choices.map(({ index, text, finish_reason }) => [index, text, finish_reason])).toEqual([[0, 'a', 'length'], [1, 'a', 'length'], [2, 'c', 'stop'], [3, 'c', 'stop']]);
    expect(answer.usage!.completion_tokens).toBe(4);
  });

  test.each([[[[1, 2, 3], [4]], 2], [[1, 2, 3], 1]])('tokens as prompt: %j', async (prompt, choices) => {
    const { client } = await startStack();
    const answer = await client.completions.create({ model: 'chat', prompt, max_tokens: 2 });
    expect(answer.choices.map(({ text }) => text)).toEqual(Array.from({ length: choices }, () => 'The quick'));
  });

  test('a stream of several prompts and choices, whole for each', async () => {
    const { client } = await startStack();
    const chunks: Shown[] = [];
    for await (const chunk of await client.completions.create({ model: 'chat', prompt: ['echo: one two', 'echo: three'], n: 2, stream: true })) chunks.push(chunk);
    expect([0, 1, 2, 3].map((index) => textOf(chunks, index))).toEqual(['one two', 'one two', 'three', 'three']);
    expect(chunks.flatMap(({ choices }) => choices).filter((choice) => choice.finish_reason !== null).map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(chunks.filter(({ choices }) => choices.length === 0)).toEqual([]);
  });

  test('usage only if asked for, and charged all the same', async () => {
    const stack = await startStack({ primary: { limits: { tokensPerMinute: 100_000 } } });
    const request = { model: 'chat', prompt: 'echo: one two three', stream: true };
    const silent = await ask(stack.url, request, { path: '/v1/completions' });
    expect(JSON.parse(stack.sim.log[0]!.body!.toString())).toMatchObject({ stream_options: { include_usage: true } });
    expect(shownIn(silent.text).filter(({ choices }) => choices.length === 0)).toEqual([]);
    expect(events(silent.text).at(-1)).toBe('[DONE]');
    await stack.atRest();
    expect(await stack.used('primary', 'tokens')).toBe(stack.sim.log[0]!.promptTokens + 3);
    const told = await ask(stack.url, { ...request, stream_options: { include_usage: true } }, { path: '/v1/completions' });
    expect(shownIn(told.text).filter(({ choices }) => choices.length === 0)).toMatchObject([{ usage: { completion_tokens: 3 } }]);
  });
});

describe('budgets and diversion', () => {
  test('what best_of writes is reserved, what it wrote is charged', async () => {
    const stack = await startStack({ primary: { limits: { tokensPerMinute: 100_000 } } });
    // Time to look at it, on a busy machine, too.
    stack.sim.faults.add({ delayMs: 1500 });
    const answer = stack.client.completions.create({ model: 'chat', prompt: ['echo: a b', 'echo: c d'], n: 1, best_of: 3, max_tokens: 50 });
    while (stack.sim.log.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const reserved = await stack.used('primary', 'tokens');
    expect(reserved).toBeGreaterThanOrEqual(2 * 3 * 50);
    expect(reserved).toBeLessThan(2 * 3 * 50 + 100);
    const { usage } = await answer;
    expect(usage!.completion_tokens).toBe(12);
    await stack.atRest();
    expect(await stack.used('primary', 'tokens')).toBe(usage!.total_tokens);
  });

  test.each([[false], [true]])('a budget that is gone diverts (stream: %s)', async (stream) => {
    const { url, sim } = await startStack({ primary: { limits: { requestsPerMinute: 1 } } });
    const request = { model: 'chat', prompt: 'echo: a b c', stream };
    const replies = [await ask(url, request, { path: '/v1/completions' }), await ask(url, request, { path: '/v1/completions' })];
    expect(replies.map(({ status, headers }) => [status, headers['x-spillway-model'], headers['x-spillway-reason']])).toEqual([[200, 'primary', undefined], [200, 'backup', 'budget_requests']]);
    expect(sim.log.map(({ model }) => model)).toEqual(['sim-primary', 'sim-backup']);
    const [, last] = replies;
    expect(stream ? textOf(shownIn(last!.text)) : (JSON.parse(last!.text) as Shown).choices[0]!.text).toBe('a b c');
  });

  test.each<[string, Fault, string]>([['500', { status: 500 }, 'server_error'], ['no JSON', { notJson: true }, 'malformed_response'], ['a reset', { reset: true }, 'connection']])('%s diverts', async (_, fault, reason) => {
    const { client, sim } = await startStack();
    sim.faults.add({ ...fault, model: 'sim-primary' });
    const { data, response } = await client.completions.create({ model: 'chat', prompt: 'echo: a b c' }).withResponse();
    expect([response.headers.get('x-spillway-model'), response.headers.get('x-spillway-reason')]).toEqual(['backup', reason]);
    expect(data.choices[0]!.text).toBe('a b c');
  });

  test("the upstream's refusal is the caller's", async () => {
    const { client, sim } = await startStack();
    await expect(client.completions.create({ model: 'chat', prompt: 'x', n: 3, best_of: 2 })).rejects.toMatchObject({ status: 400, message: expect.stringContaining('more choices than it will generate') });
    expect(sim.log).toHaveLength(1);
  });
});

describe('streams that break', () => {
  const faults: [string, Fault, string][] = [
    ['cut', { cut: 5 }, 'connection'],
    ['ended too early', { close: 5 }, 'malformed_response'],
    ['silent', { stall: { after: 5, ms: 60_000 } }, 'timeout'],
    ['broken JSON', { malformed: 5 }, 'malformed_response'],
    ['an error event', { errorEvent: 5 }, 'server_error'],
  ];

  test.each(faults)('%s: an error, no end mark, and the client throws', async (_, fault, reason) => {
    const stack = await startStack({ policy: { timeouts: { idle: '300ms' } } });
    stack.sim.faults.add({ ...fault, count: 2, tokensPerSecond: 500 });
    const request = { model: 'chat', prompt: 'go on', max_tokens: 20, stream: true } as const;
    const { text } = await ask(stack.url, request, { path: '/v1/completions' });
    const [error, comment] = events(text).slice(-2);
    expect(JSON.parse(error!)).toMatchObject({ error: { code: reason } });
    expect(comment).toBe(`: spillway {"outcome":"broken","reason":"${reason}"}`);
    expect(text).not.toContain('[DONE]');
    let given = '';
    const read = async (): Promise<void> => {
      for await (const chunk of await stack.client.completions.create(request)) given += chunk.choices[0]!.text;
    };
    await expect(read()).rejects.toHaveProperty('constructor.name', 'APIError');
    expect(given).toMatch(/^The quick brown fox/);
  });

  test('one of two choices without its end is no whole answer, even with the end mark', async () => {
    const stack = await startStack();
    stack.sim.faults.add({ close: 3, count: 1 });
    const { text } = await ask(stack.url, { model: 'chat', prompt: ['a', 'b'], stream: true }, { path: '/v1/completions' });
    expect(text).toContain('"error"');
    expect(text).not.toContain('[DONE]');
  });
});
