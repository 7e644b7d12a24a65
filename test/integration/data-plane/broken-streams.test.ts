/** A stream that breaks after its first token is never shown as a finished one; one that lacks only its end mark is whole. */
import { describe, expect, test } from '@jest/globals';
import { ask, contentOf, events } from '../../unit/simulator/client.ts';
import { hi, later, startStack, startUpstream, until } from '../../support/stack.ts';
import type { Fault } from '../../../src/simulator/server.ts';

const delta = (content: string): string => `data: {"choices":[{"index":0,"delta":{"content":"${content}"},"finish_reason":null}]}\n\n`;
const FINISH = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
const DONE = 'data: [DONE]\n\n';

describe('broken midway', () => {
  const limits = { requestsPerMinute: 10, tokensPerMinute: 100_000, concurrency: 3 };
  const faults: [string, Fault, string, string?][] = [
    ['the connection is cut', { cut: 10 }, 'connection'],
    ['it ends without an end', { close: 10 }, 'malformed_response'],
    ['silence', { stall: { after: 10, ms: 60_000 } }, 'timeout', '300ms'],
    ['broken JSON', { malformed: 10 }, 'malformed_response'],
    ['an error event', { errorEvent: 10 }, 'server_error'],
  ];

  // Where silence is not what strikes, a busy machine must not be taken for it.
  test.each(faults)('%s', async (_, fault, reason, idle = '10s') => {
    const stack = await startStack({ primary: { limits }, policy: { timeouts: { idle } } });
    stack.sim.faults.add({ ...fault, answerTokens: 40, tokensPerSecond: 500 });
    const reply = await ask(stack.url, hi({ stream: true }));
    expect(reply.headers).toMatchObject({ 'x-spillway-model': 'primary', 'x-spillway-fallback': 'false' });
    expect(reply.text).not.toContain('[DONE]');
    const [error, comment] = events(reply.text).slice(-2);
    expect(JSON.parse(error!)).toMatchObject({ error: { code: reason, type: 'server_error', message: expect.stringContaining('primary') } });
    expect(comment).toBe(`: spillway {"outcome":"broken","reason":"${reason}"}`);
    // What came before is given out, in whole events.
    const given = contentOf(events(reply.text).slice(0, -2).map((data) => `data: ${data}`).join('\n\n'));
    expect('The quick brown fox jumps over a naïve dog while').toContain(given);
    expect(given.split(' ').length).toBeGreaterThanOrEqual(9);
    expect(stack.sim.log.map(({ model }) => model)).toEqual(['sim-primary']);
    await stack.atRest();
    expect(await stack.metric('spillway_requests_total', { outcome: 'broken', model: 'primary' })).toBe(1);
    expect(await stack.metric('spillway_attempts_total', { outcome: 'failed', reason })).toBe(1);
    // The input by estimate, and the tokens so far: not the whole of what was reserved.
    const tokens = await stack.used('primary', 'tokens');
    expect(tokens).toBeGreaterThan(9);
    expect(tokens).toBeLessThan(200);
  });

  test.each(faults)('the official client throws: %s', async (_, fault, _reason, idle = '10s') => {
    const { client, sim } = await startStack({ policy: { timeouts: { idle } } });
    sim.faults.add({ ...fault, answerTokens: 40, tokensPerSecond: 500 });
    const stream = await client.chat.completions.create({ ...hi(), stream: true });
    let tokens = 0;
    const read = async (): Promise<void> => {
      for await (const chunk of stream) if (chunk.choices[0]!.delta.content) tokens++;
    };
    await expect(read()).rejects.toHaveProperty('constructor.name', 'APIError');
    expect(tokens).toBeGreaterThanOrEqual(9);
  });

  test('one of two choices is not finished', async () => {
    const upstream = await startUpstream((res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.end(`${delta('a')}data: {"choices":[{"index":1,"delta":{"content":"b"}}]}\n\n${FINISH}${DONE}`);
    });
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    const { text } = await ask(stack.url, hi({ stream: true, n: 2 }));
    expect(text).toContain('"error"');
    expect(text).not.toContain('[DONE]');
  });

  test('a total time-out strikes a stream that never falls silent', async () => {
    const stack = await startStack({ policy: { timeouts: { total: '400ms' } } });
    stack.sim.faults.add({ tokensPerSecond: 100, answerTokens: 100_000 });
    const { text } = await ask(stack.url, hi({ stream: true }));
    expect(JSON.parse(events(text).at(-2)!)).toMatchObject({ error: { code: 'timeout' } });
    await until(() => stack.sim.log[0]!.outcome === 'client-left', 'the upstream is left');
  });
});

describe('whole', () => {
  const streamed = async (body: string, end: 'end' | 'destroy' = 'end', request: object = {}) => {
    const upstream = await startUpstream((res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      if (end === 'end') res.end(body);
      else res.write(body, () => setTimeout(() => res.destroy(), 20));
    });
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    return { stack, text: (await ask(stack.url, hi({ stream: true, ...request }))).text };
  };

  test('the end mark is left out after a finish: it is supplied', async () => {
    const stack = await startStack();
    stack.sim.faults.add({ noDone: true, count: 2 });
    const { text } = await ask(stack.url, hi({ stream: true }));
    expect(events(text).at(-1)).toBe('[DONE]');
    const answer = await stack.client.chat.completions.stream(hi()).finalChatCompletion();
    expect(answer.choices[0]!.finish_reason).toBe('stop');
    expect(await stack.metric('spillway_requests_total', { outcome: 'ok' })).toBe(2);
  });

  test.each([
    ['the connection breaks after the finish', delta('a') + FINISH, 'destroy'],
    ['the end mark is not ended', `${delta('a')}${FINISH}data: [DONE]`, 'end'],
    ['an error comes after the finish', `${delta('a')}${FINISH}data: {"error":{"message":"late"}}\n\n`, 'end'],
  ] as const)('%s', async (_, body, end) => {
    expect((await streamed(body, end)).text).toBe(delta('a') + FINISH + DONE);
  });

  test('a server that ignores n', async () => {
    expect((await streamed(delta('a') + FINISH + DONE, 'end', { n: 2 })).text).toBe(delta('a') + FINISH + DONE);
  });

  test('what comes after the end mark is not given out', async () => {
    expect((await streamed(delta('a') + FINISH + DONE + delta('b'))).text).toBe(delta('a') + FINISH + DONE);
  });

  test('CRLF', async () => {
    const stack = await startStack();
    stack.sim.faults.add({ crlf: true, tokensPerSecond: 500 });
    const { text } = await ask(stack.url, hi({ stream: true, messages: [{ role: 'user', content: 'echo: naïve 日本 👍 song' }] }));
    expect(contentOf(text)).toBe('naïve 日本 👍 song');
    expect(text.endsWith('data: [DONE]\r\n\r\n')).toBe(true);
  });

  test.each([[false], [true]])('bytes in crumbs that split events and letters (CRLF: %s)', async (crlf) => {
    const stack = await startStack();
    stack.sim.faults.add({ slowBytes: true, crlf });
    const { text } = await ask(stack.url, hi({ stream: true, messages: [{ role: 'user', content: 'echo: naïve 日本 👍 song' }] }));
    expect(contentOf(text)).toBe('naïve 日本 👍 song');
    expect(events(text).at(-1)).toBe('[DONE]');
    expect(await stack.metric('spillway_requests_total', { outcome: 'ok' })).toBe(1);
  });

  test("the upstream's connection is used again when its response ends after the end mark", async () => {
    const ended: boolean[] = [];
    const upstream = await startUpstream((res) => {
      res.on('close', () => ended.push(res.writableFinished));
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write(delta('a') + FINISH + DONE);
      setTimeout(() => res.end(), 100);
    });
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    for (let i = 1; i <= 3; i++) {
      expect((await ask(stack.url, hi({ stream: true }))).text).toBe(delta('a') + FINISH + DONE);
      await until(() => ended.length === i, 'the response ends');
      await later(20);
    }
    expect(ended).toEqual([true, true, true]);
    expect(upstream.connections).toEqual({ accepted: 1, open: 1 });
  });

  test('an upstream that never ends its response is left after a moment', async () => {
    const upstream = await startUpstream((res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write(delta('a') + FINISH + DONE);
      const timer = setInterval(() => res.write(': ping\n\n'), 50);
      res.on('close', () => clearInterval(timer));
    });
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    expect((await ask(stack.url, hi({ stream: true }))).text).toBe(delta('a') + FINISH + DONE);
    await until(() => upstream.connections.open === 0, 'its connection is closed');
  });
});

describe('a JSON answer beyond what is held', () => {
  const long = `{"choices":[{"index":0,"message":{"content":"${'x'.repeat(5_000_000)}"},"finish_reason":"stop"}]}`;

  test('arrives whole, and a pause in it is no silence of a stream', async () => {
    const upstream = await startUpstream((res) => {
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': long.length }).write(long.slice(0, 3_000_000));
      setTimeout(() => res.end(long.slice(3_000_000)), 600);
    });
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl }, policy: { timeouts: { idle: '200ms' } } });
    const reply = await ask(stack.url, hi());
    expect({ end: reply.end, same: reply.text === long, model: reply.headers['x-spillway-model'] }).toEqual({ end: 'whole', same: true, model: 'primary' });
  });

  test('is seen to break when it does', async () => {
    const upstream = await startUpstream((res) => {
      res.writeHead(200, { 'content-type': 'application/json' }).write(long.slice(0, 3_000_000), () => setTimeout(() => res.destroy(), 50));
    });
    const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
    const reply = await ask(stack.url, hi());
    expect(reply.end).toBe('ECONNRESET');
    await stack.atRest();
    expect(await stack.metric('spillway_requests_total', { outcome: 'broken' })).toBe(1);
  });
});
