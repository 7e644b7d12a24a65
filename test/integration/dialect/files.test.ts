/** Files and sound through the sidecar: nothing is held, every byte is the same. */
import { describe, expect, test } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import OpenAI, { toFile } from 'openai';
import { ask } from '../../unit/simulator/client.ts';
import { BUFFER, later, startStack, until, type Stack } from '../../support/stack.ts';

const ON = { 'x-spillway-model': 'primary' };
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const MB = 1024 * 1024;

/** The official client of an app that names the model on each call. */
const files = ({ url }: Stack): OpenAI => new OpenAI({ apiKey: 'anything', baseURL: `${url}/v1`, maxRetries: 0, defaultHeaders: ON });
const upload = async (stack: Stack, bytes: Buffer) => files(stack).files.create({ file: await toFile(bytes, 'data.jsonl'), purpose: 'batch' });

describe('files', () => {
  test('up and down again, larger than all that may be held', async () => {
    const stack = await startStack();
    const bytes = randomBytes(4 * BUFFER);
    const file = await upload(stack, bytes);
    expect(file).toMatchObject({ object: 'file', bytes: bytes.length, filename: 'data.jsonl', purpose: 'batch' });
    const answer = await files(stack).files.content(file.id);
    expect(sha(new Uint8Array(await answer.arrayBuffer()))).toBe(sha(bytes));
    expect(answer.headers.get('content-length')).toBe(String(bytes.length));
    expect(answer.headers.get('x-spillway-model')).toBe('primary');
    expect(stack.sim.log.map(({ method, authorization, outcome }) => [method, authorization, outcome])).toEqual([['POST', 'Bearer sk-primary-secret', 'complete'], ['GET', 'Bearer sk-primary-secret', 'complete']]);
  });

  test('the list, one, deletion, and the 404 of the upstream as it came', async () => {
    const stack = await startStack();
    const client = files(stack);
    const ids = [(await upload(stack, Buffer.from('a'))).id, (await upload(stack, Buffer.from('b'))).id];
    const page = await client.files.list({ limit: 1, purpose: 'batch', order: 'asc' });
    expect(page.data.map(({ id }) => id)).toEqual([ids[0]]);
    expect((await page.getNextPage()).data.map(({ id }) => id)).toEqual([ids[1]]);
    expect(await client.files.retrieve(ids[0]!)).toMatchObject({ id: ids[0], bytes: 1 });
    expect(await client.files.delete(ids[0]!)).toEqual({ id: ids[0], object: 'file', deleted: true });
    const path = `/v1/files/${ids[0]}`;
    const [direct, through] = [await ask(stack.sim.url, undefined, { method: 'GET', path }), await ask(stack.url, undefined, { method: 'GET', path, headers: ON })];
    expect([through.status, through.text]).toEqual([404, direct.text]);
    await expect(client.files.retrieve(ids[0]!)).rejects.toMatchObject({ status: 404, param: 'id' });
  });

  test.each([
    ['bytes=0-9', 206, 0, 10, 'bytes 0-9/1000'],
    ['bytes=990-', 206, 990, 1000, 'bytes 990-999/1000'],
    ['bytes=-5', 206, 995, 1000, 'bytes 995-999/1000'],
    ['bytes=500-5000', 206, 500, 1000, 'bytes 500-999/1000'],
    ['lines=1-2', 200, 0, 1000, undefined],
    ['bytes=1000-', 416, 0, 0, 'bytes */1000'],
  ])('Range %s: %d', async (range, status, start, end, contentRange) => {
    const stack = await startStack();
    const bytes = randomBytes(1000);
    const { id } = await upload(stack, bytes);
    const reply = await ask(stack.url, undefined, { method: 'GET', path: `/v1/files/${id}/content`, headers: { ...ON, range } });
    expect([reply.status, reply.headers['content-range']]).toEqual([status, contentRange]);
    if (status !== 416) expect(reply.body.equals(bytes.subarray(start, end))).toBe(true);
  });

  test('HEAD: the headers of the answer, and no body', async () => {
    const stack = await startStack();
    const { id } = await upload(stack, randomBytes(1000));
    const reply = await ask(stack.url, undefined, { method: 'HEAD', path: `/v1/files/${id}/content`, headers: ON });
    expect(reply).toMatchObject({ status: 200, end: 'whole', text: '', headers: { 'content-length': '1000', 'accept-ranges': 'bytes', 'x-spillway-model': 'primary' } });
  });

  test('slow readers hold up the upstream, not the memory', async () => {
    const stack = await startStack();
    const { id } = await upload(stack, Buffer.alloc(64 * MB, 'x'));
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    const started = await Promise.all(Array.from({ length: 4 }, () => begun(stack, `/v1/files/${id}/content`)));
    await later(300);
    // Four times 64 MB in this process would be seen, however loosely it is measured.
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * MB);
    expect(stack.sim.log.filter(({ outcome }) => outcome === 'pending')).toHaveLength(4);
    // Held for others: a request as long as the whole buffer is taken meanwhile.
    const full = JSON.stringify({ model: 'unknown', text: ' '.repeat(BUFFER - 40) });
    expect((await ask(stack.url, full)).status).toBe(404);
    for (const stop of started) stop();
    await until(() => stack.sim.log.every(({ outcome }) => outcome !== 'pending'), 'the upstream is left');
  });

  test('a download that the upstream breaks off breaks off', async () => {
    const stack = await startStack();
    const { id } = await upload(stack, randomBytes(MB));
    stack.sim.faults.add({ cut: 300_000 });
    const reply = await ask(stack.url, undefined, { method: 'GET', path: `/v1/files/${id}/content`, headers: ON });
    expect(reply.status).toBe(200);
    expect(reply.end).not.toBe('whole');
    expect(reply.body.length).toBeLessThanOrEqual(300_000);
    await stack.atRest();
    expect(await stack.metric('spillway_attempts_total', { model: 'primary', outcome: 'failed', reason: 'connection' })).toBe(1);
  });
});

/** A download whose head has come and whose body nobody reads; the returned function leaves. */
function begun({ url }: Stack, path: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const asked = request(url + path, { agent: false, headers: ON }, (res) => {
      res.on('error', () => undefined);
      res.pause();
      resolve(() => void asked.destroy());
    });
    asked.on('error', reject).end();
  });
}

describe('other endpoints', () => {
  test('speech', async () => {
    const stack = await startStack();
    const said = { model: 'tts-1', voice: 'alloy', input: 'Good morning' };
    const answer = await files(stack).audio.speech.create(said);
    const direct = await ask(stack.sim.url, said, { path: '/v1/audio/speech' });
    expect(answer.headers.get('content-type')).toBe('audio/mpeg');
    expect(sha(new Uint8Array(await answer.arrayBuffer()))).toBe(sha(direct.body));
    expect(direct.body.length).toBe(12_000);
  });

  test('transcriptions: the form is the upstream\'s to read', async () => {
    const stack = await startStack();
    const answer = await files(stack).audio.transcriptions.create({ model: 'whisper-1', file: await toFile(randomBytes(3 * MB), 'a.wav') });
    expect(answer.text).toBe(`A recording of ${3 * MB} bytes.`);
    expect(stack.sim.log).toMatchObject([{ model: 'whisper-1', authorization: 'Bearer sk-primary-secret' }]);
  });

  test('moderations and batches', async () => {
    const stack = await startStack();
    const client = files(stack);
    expect((await client.moderations.create({ input: ['I will kill you', 'hello'] })).results.map(({ flagged }) => flagged)).toEqual([true, false]);
    const { id } = await upload(stack, Buffer.from('{}\n'));
    const batch = await client.batches.create({ input_file_id: id, endpoint: '/v1/embeddings', completion_window: '24h' });
    expect(await client.batches.retrieve(batch.id)).toMatchObject({ input_file_id: id, status: 'validating' });
    expect((await client.batches.cancel(batch.id)).status).toBe('cancelling');
    expect((await client.batches.list()).data).toHaveLength(1);
    await expect(client.batches.retrieve('batch_0')).rejects.toMatchObject({ status: 404 });
  });
});
