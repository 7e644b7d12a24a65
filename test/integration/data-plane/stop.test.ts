/** SIGTERM: what was taken in is answered, what comes anew is not. */
import { expect, test } from '@jest/globals';
import { chatHead, hi, later, rawConnection, startStack, until } from '../../support/stack.ts';
import { ask, events } from '../../unit/simulator/client.ts';

test('running requests finish: an answer, a stream, and a body that is still coming', async () => {
  const stack = await startStack();
  stack.sim.faults.add({ delayMs: 300 });
  stack.sim.faults.add({ tokensPerSecond: 50 });
  const answer = ask(stack.url, hi());
  await until(() => stack.sim.log.length === 1, 'the first call arrives');
  const stream = ask(stack.url, hi({ stream: true }));
  const body = JSON.stringify(hi());
  const uploading = rawConnection(stack.port, chatHead(body.length) + body.slice(0, 10));
  await until(async () => stack.sim.log.length === 2 && (await stack.status()).requests.running === 3, 'all have begun');
  const stopping = stack.stop(10_000);
  uploading.socket.write(body.slice(10));
  expect((await uploading.closed).text).toMatch(/^HTTP\/1\.1 200 /);
  expect((await answer).status).toBe(200);
  expect(events((await stream).text).at(-1)).toBe('[DONE]');
  await stopping;
  expect((await ask(stack.url, hi())).end).toBe('ECONNREFUSED');
});

test('a request on a connection that is kept is told to come again', async () => {
  const stack = await startStack();
  const body = JSON.stringify(hi({ stream: true }));
  stack.sim.faults.add({ tokensPerSecond: 40 });
  const raw = rawConnection(stack.port, chatHead(body.length) + body);
  await until(() => raw.text().includes('quick'), 'the stream has begun');
  const stopping = stack.stop(10_000);
  raw.socket.write(chatHead(body.length) + body);
  const { text } = await raw.closed;
  await stopping;
  expect(text).toContain('[DONE]');
  // Either it was not read any more, or it was refused; it was not served.
  expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(1);
  expect(stack.sim.log).toHaveLength(1);
});

test('what does not finish within the grace time is broken off, and seen to be', async () => {
  const stack = await startStack();
  stack.sim.faults.add({ tokensPerSecond: 20, answerTokens: 10_000 });
  const stream = ask(stack.url, hi({ stream: true }));
  await until(() => stack.sim.log.length === 1, 'the call arrives');
  await later(100);
  await stack.stop(200);
  const { end, text } = await stream;
  expect(end).toBe('ECONNRESET');
  expect(text).not.toContain('[DONE]');
  await until(() => stack.sim.log[0]!.outcome === 'client-left', 'the upstream is left');
});
