/** Mistakes that lie in the request itself come back as the upstream told them, and no other model is asked. */
import { expect, test } from '@jest/globals';
import { ask } from '../../unit/simulator/client.ts';
import { hi, startStack } from '../../support/stack.ts';
import type { Fault } from '../../../src/simulator/server.ts';

const cases: [string, Fault][] = [
  ['400', { status: 400 }],
  ['400 that is no JSON', { status: 400, body: '<html>\u00e9 no</html>' }],
  ['413', { status: 413 }],
  ['422', { status: 422, headers: { 'x-request-id': 'req_7' } }],
  ['a prompt that is too long', { contextLength: true }],
  ['the same, told in words alone', { status: 400, body: '{"error":{"message":"This model\'s maximum context length is 8 tokens","type":"BadRequestError","param":null,"code":400}}' }],
  ['a refusal for its content', { contentFilter: 'error' }],
  ['the same, as Azure says it', { status: 400, code: 'content_filter' }],
  ['an invalid prompt', { status: 400, code: 'invalid_prompt' }],
];

test.each(cases.flatMap(([name, fault]) => [[name, fault, false], [name, fault, true]] as const))('%s (stream %#)', async (_, fault, stream) => {
  const stack = await startStack({ primary: { limits: { requestsPerMinute: 5, tokensPerMinute: 50_000 } } });
  stack.sim.faults.add({ ...fault, count: 2 });
  const request = { model: 'sim-primary', messages: [{ role: 'user', content: 'hi' }], stream };
  const direct = await ask(stack.sim.url, request);
  const around = await ask(stack.url, { ...request, model: 'chat' });
  expect({ status: around.status, body: around.body, type: around.headers['content-type'] }).toEqual({ status: direct.status, body: direct.body, type: direct.headers['content-type'] });
  expect(around.status).toBeGreaterThanOrEqual(400);
  expect(around.headers).toMatchObject({ 'x-spillway-model': 'primary', 'x-spillway-fallback': 'false', 'x-spillway-attempts': '1', 'x-request-id': expect.stringMatching(/^req_/) });
  expect(around.headers['x-spillway-reason']).toBeUndefined();
  expect(stack.sim.log.map(({ model }) => model)).toEqual(['sim-primary', 'sim-primary']);
  expect(await stack.metric('spillway_requests_total', { outcome: 'client_error', model: 'primary' })).toBe(1);
  expect([await stack.used('primary', 'requests'), await stack.used('primary', 'tokens')]).toEqual([1, 0]);
});

test('a refusal inside an answer is an answer', async () => {
  const stack = await startStack();
  stack.sim.faults.add({ contentFilter: 'finish', count: 2 });
  const answer = await stack.client.chat.completions.create(hi());
  expect(answer.choices[0]!.finish_reason).toBe('content_filter');
  const streamed = await stack.client.chat.completions.stream(hi()).finalChatCompletion();
  expect(streamed.choices[0]!.finish_reason).toBe('content_filter');
  expect(stack.sim.log.map(({ model }) => model)).toEqual(['sim-primary', 'sim-primary']);
});
