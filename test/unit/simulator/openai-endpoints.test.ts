/** What the simulator has beside chat, as strict as the real one. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';
import { COMPLETION_FIELDS } from '../../../src/simulator/openai/completions.ts';
import { EMBEDDING_FIELDS } from '../../../src/simulator/openai/embeddings.ts';
import { startSimulator, type Simulator } from '../../../src/simulator/server.ts';
import { ask, events } from './client.ts';

let sim: Simulator;
let client: OpenAI;
beforeAll(async () => {
  const models = [{ name: 'vec', contextWindow: 100, requestsPerMinute: 50, tokensPerMinute: 1000 }, { name: 'vec-2' }, { name: 'old', contextWindow: 100, tokensPerMinute: 100_000 }, { name: 'tts' }, { name: 'stt', requestsPerMinute: 1 }];
  sim = await startSimulator({ models, keepFileBytes: 1000 });
  client = new OpenAI({ apiKey: 'sk-test', baseURL: `${sim.url}/v1`, maxRetries: 0 });
});
beforeEach(() => sim.reset());
afterAll(() => sim.close());

const errorOf = (text: string): object => (JSON.parse(text) as { error: object }).error;
const post = (path: string, body: object) => ask(sim.url, body, { path: `/v1${path}` });

test.each([
  ['embeddings.d.ts', 'EmbeddingCreateParams', EMBEDDING_FIELDS],
  ['completions.d.ts', 'CompletionCreateParamsBase', COMPLETION_FIELDS],
])("the known fields are those of the official client's types: %s", (file, name, known) => {
  const types = readFileSync(new URL(`../../../node_modules/openai/resources/${file}`, import.meta.url), 'utf8');
  const [, body = ''] = new RegExp(`interface ${name} \\{\\n(.*?)\\n\\}`, 's').exec(types) ?? [];
  const fields = [...body.matchAll(/^ {4}([a-z_]+)\??:/gm)].map(([, field]) => field);
  expect(fields.length).toBeGreaterThan(4);
  expect([...known].sort()).toEqual(fields.sort());
});

describe('embeddings', () => {
  const vector = async (model: string, input: string, dimensions = 16): Promise<number[]> =>
    (await client.embeddings.create({ model, input, dimensions, encoding_format: 'float' })).data[0]!.embedding;

  test('length one; of this input and this model', async () => {
    const one = await vector('vec', 'a');
    expect(Math.hypot(...one)).toBeCloseTo(1, 5);
    expect(await vector('vec', 'a')).toEqual(one);
    expect(await vector('vec', 'b')).not.toEqual(one);
    expect(await vector('vec-2', 'a')).not.toEqual(one);
  });

  test('base64 and floats say the same', async () => {
    const reply = await post('/embeddings', { model: 'vec', input: 'a', dimensions: 16, encoding_format: 'base64' });
    const { embedding } = (JSON.parse(reply.text) as { data: [{ embedding: string }] }).data[0];
    const floats = await vector('vec', 'a');
    expect([...new Float32Array(new Uint8Array(Buffer.from(embedding, 'base64')).buffer)]).toEqual(floats);
  });

  test.each<[string, object, object]>([
    ['no input', {}, { code: 'missing_required_parameter', param: 'input' }],
    ['an empty text', { input: '' }, { message: expect.stringContaining("'$.input' is invalid"), code: null, param: null }],
    ['an empty text among others', { input: ['a', ''] }, { message: expect.stringContaining("'$.input' is invalid") }],
    ['an empty list', { input: [] }, { message: expect.stringContaining("'$.input' is invalid") }],
    ['texts and tokens', { input: ['a', [1]] }, { message: expect.stringContaining("'$.input' is invalid") }],
    ['half a token', { input: [1.5] }, { message: expect.stringContaining("'$.input' is invalid") }],
    ['an object', { input: {} }, { message: expect.stringContaining("'$.input' is invalid") }],
    ['too many', { input: Array.from({ length: 2049 }, () => 'a') }, { code: 'array_above_max_length' }],
    ['too long', { input: 'x'.repeat(500) }, { code: 'context_length_exceeded' }],
    ['an encoding nobody has', { input: 'a', encoding_format: 'int8' }, { code: 'invalid_value', param: 'encoding_format' }],
    ['no dimensions', { input: 'a', dimensions: 0 }, { code: 'integer_below_min_value', param: 'dimensions' }],
    ['unknown', { input: 'a', stream: true }, { message: 'Unrecognized request argument supplied: stream' }],
  ])('refused: %s', async (_, change, error) => {
    const reply = await post('/embeddings', { model: 'vec', ...change });
    expect(reply.status).toBe(400);
    expect(errorOf(reply.text)).toMatchObject({ type: 'invalid_request_error', ...error });
    expect(sim.log).toMatchObject([{ admitted: true, outcome: 'refused' }]);
  });

  test('the tokens of all inputs count in the limit', async () => {
    await client.embeddings.create({ model: 'vec', input: Array.from({ length: 9 }, () => 'x'.repeat(400)) });
    expect(sim.log).toMatchObject([{ promptTokens: 900, reservedTokens: 900, maxTokens: 0 }]);
    await expect(client.embeddings.create({ model: 'vec', input: Array.from({ length: 2 }, () => 'x'.repeat(400)) })).rejects.toMatchObject({ status: 429, type: 'tokens' });
  });
});

describe('completions', () => {
  test('16 tokens unless told, and the default is reserved', async () => {
    const answer = await client.completions.create({ model: 'old', prompt: 'abcd' });
    expect(answer.choices).toMatchObject([{ finish_reason: 'length', logprobs: null }]);
    expect(answer.usage).toMatchObject({ prompt_tokens: 1, completion_tokens: 16, total_tokens: 17 });
    expect(sim.log).toMatchObject([{ maxTokens: 16, reservedTokens: 16, completionTokens: 16 }]);
  });

  test('echo, none at all, and best_of', async () => {
    expect((await client.completions.create({ model: 'old', prompt: 'ab ', echo: true, max_tokens: 1 })).choices[0]!.text).toBe('ab The');
    expect((await client.completions.create({ model: 'old', prompt: 'ab', echo: true, max_tokens: 0 })).choices).toMatchObject([{ text: 'ab', finish_reason: 'length' }]);
    expect((await client.completions.create({ model: 'old', prompt: 'a', best_of: 3, max_tokens: 2 })).usage!.completion_tokens).toBe(6);
  });

  test('a stream: each token an event, the finish one of its own, usage after it', async () => {
    const { text } = await post('/completions', { model: 'old', prompt: 'echo: a b', stream: true, stream_options: { include_usage: true } });
    const data = events(text);
    expect(data.at(-1)).toBe('[DONE]');
    const chunks = data.slice(0, -1).map((event) => JSON.parse(event) as { object: string; choices: object[]; usage: object | null });
    expect(chunks.map(({ choices }) => choices)).toEqual([
      [{ text: 'a', index: 0, logprobs: null, finish_reason: null }], [{ text: ' b', index: 0, logprobs: null, finish_reason: null }], [{ text: '', index: 0, logprobs: null, finish_reason: 'stop' }], [],
    ]);
    expect(chunks.map(({ usage }) => usage)).toMatchObject([null, null, null, { completion_tokens: 2 }]);
  });

  test.each<[string, object, object]>([
    ['best_of below n', { n: 3, best_of: 2 }, { message: expect.stringContaining("'n' (currently 3)") }],
    ['best_of in a stream', { n: 1, best_of: 2, stream: true }, { param: 'best_of' }],
    ['a prompt that is none', { prompt: 5 }, { code: 'invalid_type', param: 'prompt' }],
    ['texts and tokens', { prompt: ['a', [1]] }, { code: 'invalid_type', param: 'prompt' }],
    ['messages', { messages: [] }, { message: 'Unrecognized request argument supplied: messages' }],
    ['too much of logprobs', { logprobs: 6 }, { code: 'integer_above_max_value' }],
    ['stream_options alone', { stream_options: {} }, { param: 'stream_options' }],
    ['too long', { max_tokens: 200 }, { code: 'context_length_exceeded' }],
  ])('refused: %s', async (_, change, error) => {
    const reply = await post('/completions', { model: 'old', prompt: 'a', ...change });
    expect(reply.status).toBe(400);
    expect(errorOf(reply.text)).toMatchObject(error);
  });
});

describe('files', () => {
  const upload = (bytes: string) => client.files.create({ file: new File([bytes], 'a.txt'), purpose: 'batch' });

  test('kept up to a bound; what is deleted makes room', async () => {
    const { id } = await upload('x'.repeat(600));
    await expect(upload('x'.repeat(600))).rejects.toMatchObject({ status: 413 });
    await client.files.delete(id);
    expect(await upload('x'.repeat(600))).toMatchObject({ bytes: 600 });
  });

  test.each<[string, () => Promise<unknown>, object]>([
    ['no such file', () => client.files.retrieve('file-x'), { status: 404, param: 'id', message: '404 No such File object: file-x' }],
    ['deleted twice', () => client.files.delete('file-x'), { status: 404 }],
    ['a purpose nobody has', () => client.files.create({ file: new File(['a'], 'a'), purpose: 'x' as 'batch' }), { status: 400, param: 'purpose' }],
    ['a batch of no file', () => client.batches.create({ input_file_id: 'file-x', endpoint: '/v1/completions', completion_window: '24h' }), { status: 400, param: 'input_file_id' }],
  ])('%s', async (_, call, error) => {
    await expect(call()).rejects.toMatchObject(error);
  });

  test.each([['application/json', 415], ['multipart/form-data; boundary=x', 400]])('%s that is no form: %d', async (type, status) => {
    expect((await ask(sim.url, '{}', { path: '/v1/files', headers: { 'content-type': type } })).status).toBe(status);
  });

  test('those for assistants are not given back', async () => {
    const { id } = await client.files.create({ file: new File(['a'], 'a'), purpose: 'assistants' });
    await expect(client.files.content(id)).rejects.toMatchObject({ status: 400, message: expect.stringContaining('purpose: assistants') });
  });
});

describe('sound and moderation', () => {
  test('speech is of its text, in the type asked for', async () => {
    const said = async (input: string) => Buffer.from(await (await client.audio.speech.create({ model: 'tts', voice: 'alloy', input, response_format: 'wav' })).arrayBuffer());
    expect((await said('abc')).equals(await said('abc'))).toBe(true);
    expect((await said('abc')).equals(await said('abd'))).toBe(false);
    expect((await post('/audio/speech', { model: 'tts', voice: 'alloy', input: 'a', response_format: 'opus' })).headers['content-type']).toBe('audio/opus');
    expect(errorOf((await post('/audio/speech', { model: 'tts', voice: 'alloy', input: 'x'.repeat(4097) })).text)).toMatchObject({ code: 'string_above_max_length', param: 'input' });
  });

  test('transcriptions count in their model\'s limit', async () => {
    const hear = () => client.audio.transcriptions.create({ model: 'stt', file: new File(['abc'], 'a.wav') });
    expect(await hear()).toMatchObject({ text: 'A recording of 3 bytes.' });
    await expect(hear()).rejects.toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
  });

  test('an unknown model of moderations is 404, as is the default where it is not offered', async () => {
    await expect(client.moderations.create({ input: 'a' })).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
    expect((await client.moderations.create({ model: 'tts', input: 'a' })).results[0]!.flagged).toBe(false);
  });
});
