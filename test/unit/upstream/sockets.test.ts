/** The same through real sockets: undici before, the official client behind. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import OpenAI from 'openai';
import { openai } from '../../../src/providers/openai/index.ts';
import { INSTRUCTION } from '../../../src/providers/openai/continue.ts';
import { openAiRequestReader } from '../../../src/providers/openai/request.ts';
import type { ModelRequest } from '../../../src/providers/types.ts';
import { Attempt } from '../../../src/upstream/attempt.ts';
import { Dispatchers } from '../../../src/upstream/dispatchers.ts';
import type { Recovery, StreamEnd } from '../../../src/upstream/types.ts';
import { CoarseTimer } from '../../../src/wire/coarse-timer.ts';
import { HeldBytes } from '../../../src/wire/held-bytes.ts';
import { answer, FIRST, SECOND } from './feed.ts';

const open: Server[] = [];
const dispatchers = new Dispatchers({});
const timer = new CoarseTimer(() => performance.now(), 50);
afterEach(() => {
  for (const server of open.splice(0)) server.close().closeAllConnections();
});

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  open.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function attempt(origin: string, request: ModelRequest, recovery: Recovery, held: HeldBytes) {
  const call = {
    dispatcher: dispatchers.to(origin), origin, path: '/', headers: ['content-type', 'application/json'], provider: openai(() => 0), request, recovery,
    body: request.bodyFor({ model: 'up', includeUsage: true }),
    timeouts: { connect: 5000, firstToken: 5000, idle: 5000 },
    totalMs: 20_000,
    freshUntil: Infinity,
  };
  return new Attempt(call, { timer, held }).start().outcome;
}

describe('real sockets', () => {
  test('two models that break and one that ends: the official client hears one answer', async () => {
    const bodies: string[] = [];
    const says = [answer(FIRST, ['The', ' quick']), answer(SECOND, ['quick', ' brown']), answer({ ...SECOND, id: 'third' }, [' fox'], { prompt_tokens: 200, completion_tokens: 1, total_tokens: 201 })];
    const upstream = await listen((req, res) => {
      let body = '';
      req.on('data', (chunk: Buffer) => (body += chunk.toString()));
      req.on('end', () => {
        bodies.push(body);
        const events = says[bodies.length - 1]!;
        const isLast = bodies.length === says.length;
        res.writeHead(200, { 'content-type': 'text/event-stream' });
        res.write(isLast ? events.join('') : events.slice(0, 3).join('') + events[3]!.slice(0, 50), () => (isLast ? res.end() : setTimeout(() => res.destroy(), 20)));
      });
    });
    const held = new HeldBytes(100_000);
    const front = await listen((req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => void chunks.push(chunk));
      req.on('end', () => {
        const asked = openAiRequestReader('chat')(Buffer.concat(chunks), '');
        const serve = async (): Promise<void> => {
          res.writeHead(200, { 'content-type': 'text/event-stream' });
          let request = asked;
          for (;;) {
            const outcome = await attempt(upstream, request, 'continue', held);
            if (outcome.kind !== 'stream') throw new Error(outcome.kind);
            const end: StreamEnd = await outcome.stream.pipe(res);
            if (end.whole) return void res.end();
            request = asked.continued(end.soFar!, 'instruction');
          }
        };
        serve().catch(() => res.destroy());
      });
    });
    const client = new OpenAI({ apiKey: 'any', baseURL: front, maxRetries: 0 });
    const stream = client.chat.completions.stream({ model: 'm', messages: [{ role: 'user', content: 'hi' }], max_tokens: 20, stream_options: { include_usage: true } });
    const whole = await stream.finalChatCompletion();
    expect(whole).toMatchObject({ id: FIRST.id, model: FIRST.model, created: FIRST.created, choices: [{ finish_reason: 'stop', message: { role: 'assistant', content: 'The quick brown fox' } }] });
    // What was counted of the first two, and what the third reported; its prompt without the text so far and its frame.
    const frame = 5 + 12 + Math.ceil(INSTRUCTION.length / 4);
    expect(whole.usage).toMatchObject({ prompt_tokens: 200 - frame, completion_tokens: 7, total_tokens: 207 - frame });
    expect(bodies.map((body) => (JSON.parse(body) as OpenAI.ChatCompletionCreateParams).max_tokens)).toEqual([20, 17, 14]);
    expect((JSON.parse(bodies[2]!) as OpenAI.ChatCompletionCreateParams).messages[1]).toEqual({ role: 'assistant', content: 'The quick brown' });
    expect(held.used).toBe(0);
  });

  test('a long answer that does not fit in the buffer arrives in order, at the pace of a slow caller', async () => {
    const pieces = Array.from({ length: 4000 }, (_, i) => `${i} ${'x'.repeat(500)}`);
    const events = answer(FIRST, pieces);
    const upstream = await listen((_, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let i = 0; i < events.length; i += 7) res.write(events.slice(i, i + 7).join(''));
      res.end();
    });
    const held = new HeldBytes(300_000);
    const request = openAiRequestReader('chat')(Buffer.from('{"model":"m","messages":[],"stream":true}'), '');
    let given = 0;
    const front = await listen((_, res) => {
      const serve = async (): Promise<void> => {
        const outcome = await attempt(upstream, request, 'buffer', held);
        if (outcome.kind !== 'stream') throw new Error(outcome.kind);
        await new Promise((resolve) => {
          setTimeout(resolve, 100);
        });
        given = held.used;
        const end = await outcome.stream.pipe(res);
        res.end();
        held.give(end.held);
      };
      serve().catch(() => res.destroy());
    });
    const response = await fetch(front);
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.length % 5 === 0) await new Promise(setImmediate);
    }
    expect(given).toBeGreaterThan(200_000);
    expect(text === events.join('')).toBe(true);
    expect(held.used).toBe(0);
  });
});
