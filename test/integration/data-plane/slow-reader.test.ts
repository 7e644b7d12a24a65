/** A caller that does not read holds up its own upstream, not the sidecar's memory, and misses nothing. */
import { expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createGzip, constants } from 'node:zlib';
import { chatHead, hi, later, rawConnection, startStack, startUpstream, until, type Raw } from '../../support/stack.ts';

/** Resolves with the count once it has not grown for several turns, in which a busy machine has had its time. */
async function settled(count: () => number): Promise<number> {
  let last = 0;
  let same = 0;
  await until(async () => {
    same = count() > 0 && count() === last ? same + 1 : 0;
    last = count();
    if (same < 6) await later(100);
    return same >= 6;
  }, 'the count stops', 15_000);
  return last;
}

function requestThenPause(port: number): Raw {
  const body = JSON.stringify(hi({ stream: true }));
  const raw = rawConnection(port, chatHead(body.length, 'connection: close\r\n') + body);
  raw.socket.pause();
  return raw;
}

test('the upstream pauses, for longer than its silence may last, and all arrives in the end', async () => {
  const tokens = 80_000;
  const stack = await startStack({ policy: { timeouts: { idle: '1s' } } });
  stack.sim.faults.add({ answerTokens: tokens });
  const raw = requestThenPause(stack.port);
  await until(() => stack.sim.log.length === 1, 'the call arrives');
  const sent = await settled(() => stack.sim.log[0]!.completionTokens);
  expect(sent).toBeLessThan(tokens * 0.9);
  await later(1200);
  expect((await stack.status()).requests.running).toBe(1);
  raw.socket.resume();
  const { text } = await raw.closed;
  expect(text.match(/"content":"/g)).toHaveLength(tokens + 1);
  expect(text).not.toContain('"error"');
  expect(text).toContain('data: [DONE]\n\n');
  await until(() => stack.sim.log[0]!.outcome === 'complete', 'the upstream has sent all');
});

test('an encoded stream pauses as well', async () => {
  const events = 4000;
  let produced = 0;
  const upstream = await startUpstream((res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
    const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH, level: 1 });
    gzip.pipe(res);
    res.on('close', () => gzip.destroy());
    void (async () => {
      for (; produced < events && !gzip.destroyed; produced++) {
        if (!gzip.write(`data: {"choices":[{"index":0,"delta":{"content":"${randomBytes(6000).toString('base64')}"}}]}\n\n`)) await once(gzip, 'drain');
      }
      gzip.end('data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n');
    })().catch(() => undefined);
  });
  const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
  const raw = requestThenPause(stack.port);
  const sent = await settled(() => produced);
  expect(sent).toBeLessThan(events * 0.75);
  raw.socket.resume();
  const { text } = await raw.closed;
  expect(text.match(/"content":"/g)).toHaveLength(events);
  expect(text).toContain('data: [DONE]\n\n');
});

test('a JSON answer beyond what is held pauses as well', async () => {
  const size = 40_000_000;
  let written = 0;
  const piece = Buffer.alloc(100_000, 'x');
  const upstream = await startUpstream((res) => {
    res.writeHead(200, { 'content-type': 'application/json' }).write('{"choices":[],"text":"');
    const more = (): void => {
      while (written < size && res.write(piece)) written += piece.length;
      if (written >= size) res.end('"}');
      else {
        written += piece.length;
        res.once('drain', more);
      }
    };
    more();
  });
  const stack = await startStack({ primary: { baseUrl: upstream.baseUrl } });
  const raw = requestThenPause(stack.port);
  const sent = await settled(() => written);
  expect(sent).toBeLessThan(size * 0.75);
  raw.socket.resume();
  const { text } = await raw.closed;
  expect(text.match(/x{1000}/g)!.length).toBeGreaterThanOrEqual(size / 1000 - 2000);
  expect(text).toContain('"}');
});

test('who never takes its answer is left when the deadline and some patience have passed', async () => {
  // More than the sockets take, less than is given out as it comes.
  const answer = `{"choices":[{"message":{"content":"${'x'.repeat(8_000_000)}"}}]}`;
  const upstream = await startUpstream((res) => res.writeHead(200, { 'content-type': 'application/json' }).end(answer));
  const stack = await startStack({ sidecar: { bodyIdleMs: 300, bufferBytes: 20_000_000 }, primary: { baseUrl: upstream.baseUrl } });
  const body = JSON.stringify(hi());
  const raw = rawConnection(stack.port, chatHead(body.length, 'x-spillway-deadline: 2s\r\n') + body);
  raw.socket.pause();
  await until(async () => (await stack.metric('spillway_attempts_total', { outcome: 'ok' })) === 1, 'the answer is here');
  expect((await stack.status()).requests.running).toBe(1);
  await until(async () => (await stack.status()).requests.running === 0, 'it is given up');
  raw.socket.resume();
  const { text } = await raw.closed;
  expect(text).toMatch(/^HTTP\/1\.1 200 OK/);
  expect(text.length).toBeLessThan(answer.length);
  expect(await stack.metric('spillway_requests_total', { outcome: 'client_left' })).toBe(1);
});

test.each([['a stream', { answerTokens: 80_000 }], ['a stream in gzip', { answerTokens: 80_000, encoding: 'gzip' as const }]])('who leaves while the upstream waits for it leaves nothing behind: %s', async (_, fault) => {
  const stack = await startStack({ primary: { limits: { concurrency: 2 } } });
  stack.sim.faults.add(fault);
  const raw = requestThenPause(stack.port);
  await until(() => stack.sim.log.length === 1, 'the call arrives');
  await settled(() => stack.sim.log[0]!.completionTokens);
  raw.socket.destroy();
  await until(() => stack.sim.log[0]!.outcome !== 'pending', 'the call is over');
  await stack.atRest();
  expect(await stack.metric('spillway_requests_total', { outcome: 'client_left' })).toBe(1);
});
