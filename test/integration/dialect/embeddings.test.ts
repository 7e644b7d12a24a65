/** Embeddings: the vectors as the upstream made them, by its model or by none. */
import { describe, expect, test } from '@jest/globals';
import { ask } from '../../unit/simulator/client.ts';
import { startStack } from '../../support/stack.ts';

const VECTORS = { models: ['primary'], fallback: ['backup'] };
const SAME = { backup: { model: 'sim-primary' }, groups: { vectors: VECTORS } };
const OTHER = { groups: { vectors: VECTORS } };
const input = 'the quick brown fox';

describe('vectors', () => {
  test("the client's default: base64 on the wire, each byte the upstream's", async () => {
    const { client, sim, url } = await startStack(OTHER);
    const { data, usage, model } = await client.embeddings.create({ model: 'vectors', input });
    const request = JSON.parse(sim.log[0]!.body!.toString()) as object;
    expect(request).toEqual({ model: 'sim-primary', input, encoding_format: 'base64' });
    const [direct, through] = [await ask(sim.url, request, { path: '/v1/embeddings' }), await ask(url, { ...request, model: 'vectors' }, { path: '/v1/embeddings' })];
    expect(through.body.equals(direct.body)).toBe(true);
    expect(through.headers).toMatchObject({ 'x-spillway-model': 'primary', 'x-spillway-group': 'vectors', 'x-spillway-fallback': 'false' });
    const wire = (JSON.parse(direct.text) as { data: { embedding: string }[] }).data[0]!.embedding;
    const bytes = Buffer.from(wire, 'base64');
    expect(data[0]!.embedding).toEqual(Array.from({ length: 1536 }, (_, i) => bytes.readFloatLE(i * 4)));
    expect(Math.hypot(...data[0]!.embedding)).toBeCloseTo(1, 5);
    expect({ usage, model }).toEqual({ usage: { prompt_tokens: 5, total_tokens: 5 }, model: 'sim-primary-2025-08-07' });
  });

  test('floats, fewer dimensions, many inputs at once', async () => {
    const { client } = await startStack(OTHER);
    const { data } = await client.embeddings.create({ model: 'vectors', input: ['a', 'b', 'a'], encoding_format: 'float', dimensions: 8 });
    expect(data.map(({ index, embedding }) => [index, embedding.length])).toEqual([[0, 8], [1, 8], [2, 8]]);
    expect(data[0]!.embedding).toEqual(data[2]!.embedding);
    expect(data[0]!.embedding).not.toEqual(data[1]!.embedding);
  });

  test('tokens as input, and 2,048 inputs', async () => {
    const { client } = await startStack(OTHER);
    const lists = await client.embeddings.create({ model: 'vectors', input: [[1, 2, 3], [4]], dimensions: 2 });
    expect(lists).toMatchObject({ usage: { prompt_tokens: 4 }, data: [{ index: 0 }, { index: 1 }] });
    const many = await client.embeddings.create({ model: 'vectors', input: Array.from({ length: 2048 }, (_, i) => `text ${i}`), dimensions: 2 });
    expect(many.data).toHaveLength(2048);
  });

  test('a larger answer than is held for one request goes through unchanged', async () => {
    const { sim, url } = await startStack(OTHER);
    const body = { model: 'sim-primary', input: Array.from({ length: 400 }, (_, i) => `text ${i}`), encoding_format: 'base64', dimensions: 1536 };
    const [direct, through] = [await ask(sim.url, body, { path: '/v1/embeddings' }), await ask(url, { ...body, model: 'vectors' }, { path: '/v1/embeddings' })];
    expect(direct.body.length).toBeGreaterThan(3_000_000);
    expect(through.body.equals(direct.body)).toBe(true);
  });

  test("the upstream's refusal comes back as it is, and nobody else is asked", async () => {
    const { client, sim } = await startStack(SAME);
    await expect(client.embeddings.create({ model: 'vectors', input: '' })).rejects.toMatchObject({ status: 400, message: expect.stringContaining("'$.input' is invalid") });
    expect(sim.log).toHaveLength(1);
  });
});

describe('budgets', () => {
  test('an output budget is not touched, the input is charged as reported', async () => {
    const stack = await startStack({ ...OTHER, primary: { limits: { tokensPerMinute: 1000, inputTokensPerMinute: 500, outputTokensPerMinute: 10 } } });
    for (let i = 0; i < 3; i++) await stack.client.embeddings.create({ model: 'vectors', input });
    await stack.atRest();
    expect(await stack.used('primary', 'tokens')).toBe(15);
    expect(await stack.used('primary', 'input_tokens')).toBe(15);
    expect(await stack.used('primary', 'output_tokens')).toBe(0);
  });

  test('while it runs, no tokens of an answer are reserved', async () => {
    const stack = await startStack({ ...OTHER, primary: { limits: { tokensPerMinute: 100_000, outputTokensPerMinute: 10 } } });
    // Time to look at it, on a busy machine, too.
    stack.sim.faults.add({ delayMs: 1500 });
    const answer = stack.client.embeddings.create({ model: 'vectors', input });
    while (stack.sim.log.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const reserved = await stack.used('primary', 'tokens');
    expect(reserved).toBeGreaterThan(0);
    expect(reserved).toBeLessThan(100);
    expect(await stack.used('primary', 'output_tokens')).toBe(0);
    await answer;
  });

  test('the same model behind another key serves when the budget is gone', async () => {
    const { client, sim } = await startStack({ ...SAME, primary: { limits: { requestsPerMinute: 1 } } });
    const first = await client.embeddings.create({ model: 'vectors', input });
    const { data: second, response } = await client.embeddings.create({ model: 'vectors', input }).withResponse();
    expect(Object.fromEntries(response.headers)).toMatchObject({ 'x-spillway-model': 'backup', 'x-spillway-fallback': 'true', 'x-spillway-reason': 'budget_requests' });
    expect(second.data[0]!.embedding).toEqual(first.data[0]!.embedding);
    expect(sim.log.map(({ authorization }) => authorization)).toEqual(['Bearer sk-primary-secret', 'Bearer sk-backup-secret']);
  });

  // The contract: 429 only if every reason is a budget or a rate limit; else the first decides, and a budget is of "the rest".
  test('another model never does: 502, the budget as its code, and when there is room', async () => {
    const { client, sim, url } = await startStack({ ...OTHER, primary: { limits: { requestsPerMinute: 1 } } });
    await client.embeddings.create({ model: 'vectors', input });
    const tried = [{ model: 'primary', reason: 'budget_requests' }, { model: 'backup', reason: 'untranslatable' }];
    const { status, headers, text } = await ask(url, { model: 'vectors', input }, { path: '/v1/embeddings' });
    expect(status).toBe(502);
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'budget_requests', spillway: { tried } } });
    expect(Number(headers['retry-after'])).toBeGreaterThan(55);
    expect(sim.log.map(({ model }) => model)).toEqual(['sim-primary']);
  });

  test('a model alone: 429', async () => {
    const { client } = await startStack({ primary: { limits: { requestsPerMinute: 1 } } });
    await client.embeddings.create({ model: 'primary', input });
    await expect(client.embeddings.create({ model: 'primary', input })).rejects.toMatchObject({ status: 429, code: 'budget_requests' });
  });

  test.each([[500, 502, 'server_error'], [503, 503, 'overloaded'], [429, 502, 'rate_limited']])('nor when the primary answers %d: %d', async (fault, status, code) => {
    const { client, sim } = await startStack(OTHER);
    sim.faults.add({ status: fault });
    const tried = [{ model: 'primary', reason: code }, { model: 'backup', reason: 'untranslatable' }];
    await expect(client.embeddings.create({ model: 'vectors', input })).rejects.toMatchObject({ status, code, error: { spillway: { tried } } });
    expect(sim.log).toHaveLength(1);
  });

  test('models of one name on both sides of another: the other is passed over', async () => {
    const third = { provider: 'openai', model: 'sim-primary', apiKey: { env: 'THIRD_KEY' } };
    const stack = await startStack({ groups: { vectors: { models: ['primary'], fallback: ['backup', 'third'] } }, models: { third: { ...third, baseUrl: 'http://127.0.0.1:1/v1' } }, env: { THIRD_KEY: 'sk-third' } });
    stack.sim.faults.add({ reset: true });
    const tried = [['primary', 'connection'], ['backup', 'untranslatable'], ['third', 'connection']].map(([model, reason]) => ({ model, reason }));
    await expect(stack.client.embeddings.create({ model: 'vectors', input })).rejects.toMatchObject({ status: 502, code: 'connection', error: { spillway: { tried } } });
  });

  test.each([['an empty body', { emptyBody: true }], ['half of the JSON', { truncatedJson: true }], ['broken JSON', { malformed: 1 }], ['a cut', { cut: 1 }], ['a clean end too early', { close: 1 }]])('what is no answer is none: %s', async (_, fault) => {
    const { client, sim } = await startStack(SAME);
    sim.faults.add({ ...fault, count: 1 });
    const { data, response } = await client.embeddings.create({ model: 'vectors', input, dimensions: 4, encoding_format: 'float' }).withResponse();
    expect(response.headers.get('x-spillway-model')).toBe('backup');
    expect(data.data[0]!.embedding).toHaveLength(4);
  });
});
