/** Hedging: the fallback beside a slow primary; who wins serves, who loses is given up and settled. */
import { expect, test } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import { startUpstream, until, type Stack } from '../../support/stack.ts';
import { askHi, header, startFailover, startWriter, take, WORDS, type FailoverOptions } from './support.ts';

const hedge = { after: '100ms', maxShare: 1 };
const open = (more: FailoverOptions = {}): Promise<Stack> => startFailover({ ...more, policy: { hedge, ...more.policy } });
const calls = ({ sim }: Stack): (readonly [string, string])[] => sim.log.map(({ model, outcome }) => [model.slice(4), outcome] as const);
const words = (count: number): string => `echo: ${WORDS.slice(0, count).join('')}`;

test.each([['JSON', false], ['a stream', true]])('%s: the fallback is quicker', async (_, stream) => {
  const stack = await open();
  stack.sim.faults.add({ model: 'sim-primary', ...(stream ? { firstTokenMs: 5000 } : { delayMs: 5000 }) });
  const got = await take(stack.client, askHi(words(5)), stream);
  expect(got).toMatchObject({ how: 'whole', text: WORDS.slice(0, 5).join('') });
  expect(['model', 'fallback', 'reason', 'attempts'].map((name) => header(got, name))).toEqual(['backup', 'true', 'timeout', '2']);
  expect(got.ms).toBeLessThan(1500);
  await until(() => stack.sim.log.every(({ outcome }) => outcome !== 'pending'), 'the loser is over');
  expect(calls(stack)).toEqual([['primary', 'client-left'], ['backup', 'complete']]);
  await stack.atRest();
  expect(await stack.metric('spillway_requests_total')).toBe(1);
  expect(await stack.metric('spillway_requests_total', { model: 'backup', outcome: 'ok', reason: 'timeout' })).toBe(1);
  expect(await stack.metric('spillway_attempts_total', { model: 'primary', outcome: 'cancelled' })).toBe(1);
  expect(await stack.metric('spillway_attempts_total')).toBe(2);
  // What it had reserved stays charged: the provider took it in.
  expect([await stack.used('primary', 'requests'), await stack.used('backup', 'requests')]).toEqual([1, 1]);
  expect(await stack.used('primary', 'tokens')).toBeGreaterThan(0);
});

test('the primary is quicker after all: its answer, no reason, and the fallback is given up', async () => {
  const stack = await open();
  stack.sim.faults.add({ model: 'sim-primary', firstTokenMs: 250 });
  stack.sim.faults.add({ model: 'sim-backup', firstTokenMs: 5000 });
  const got = await take(stack.client, askHi(), true);
  expect([got.how, ...['model', 'fallback', 'reason', 'attempts'].map((name) => header(got, name))]).toEqual(['whole', 'primary', 'false', null, '2']);
  await until(() => stack.sim.log.every(({ outcome }) => outcome !== 'pending'), 'the loser is over');
  expect(calls(stack)).toEqual([['primary', 'complete'], ['backup', 'client-left']]);
  await stack.atRest();
  expect(await stack.metric('spillway_fallbacks_total')).toBe(0);
  expect(await stack.metric('spillway_attempts_total', { model: 'backup', outcome: 'cancelled' })).toBe(1);
});

test('a quick primary is alone', async () => {
  const stack = await open();
  for (let i = 0; i < 5; i++) await take(stack.client, askHi(), i % 2 === 0);
  expect(calls(stack).map((call) => call.join(' '))).toEqual(Array(5).fill('primary complete'));
});

test('the slow one fails: the other serves, and why is what it said', async () => {
  const stack = await open();
  stack.sim.faults.add({ model: 'sim-primary', delayMs: 200, status: 503 });
  stack.sim.faults.add({ model: 'sim-backup', firstTokenMs: 300 });
  const got = await take(stack.client, askHi(), true);
  expect([got.how, ...['model', 'reason', 'attempts'].map((name) => header(got, name))]).toEqual(['whole', 'backup', 'overloaded', '2']);
  await stack.atRest();
  expect(await stack.metric('spillway_attempts_total', { model: 'primary', outcome: 'failed', reason: 'overloaded' })).toBe(1);
});

test('the second one fails: the slow one is waited for', async () => {
  const stack = await open();
  stack.sim.faults.add({ model: 'sim-primary', firstTokenMs: 400 });
  stack.sim.faults.add({ model: 'sim-backup', status: 500, count: Infinity });
  const got = await take(stack.client, askHi(), true);
  expect([got.how, ...['model', 'reason', 'attempts'].map((name) => header(got, name))]).toEqual(['whole', 'primary', null, '2']);
  expect(calls(stack).map(([model]) => model)).toEqual(['primary', 'backup']);
});

test('both fail: each is named with what it said', async () => {
  const stack = await open({ policy: { retry: { attempts: 0 } } });
  stack.sim.faults.add({ model: 'sim-primary', delayMs: 250, status: 503 });
  stack.sim.faults.add({ model: 'sim-backup', status: 500 });
  const failed = await stack.client.chat.completions.create({ ...askHi(), stream: false }).catch((error: unknown) => error);
  expect(failed).toMatchObject({ status: 503, error: { code: 'overloaded', spillway: { tried: [{ model: 'primary', reason: 'overloaded' }, { model: 'backup', reason: 'server_error' }] } } });
  expect(calls(stack)).toHaveLength(2);
});

test('a winner whose stream breaks is left, not the one that was given up', async () => {
  const [first, second] = [await startWriter({ cut: 40, delayMs: 250 }), await startWriter({ delayMs: 400 })];
  const stack = await open({ models: { primary: { baseUrl: first.baseUrl }, backup: { baseUrl: second.baseUrl } }, policy: { streamRecovery: 'continue' } });
  const got = await take(stack.client, askHi(), true);
  expect(got).toMatchObject({ how: 'whole', text: WORDS.join('') });
  expect(header(got, 'model')).toBe('primary');
  // The second was asked beside the first, given up, and then asked to go on.
  expect([first.seen.length, second.seen.length]).toEqual([1, 2]);
  await stack.atRest();
  expect(await stack.metric('spillway_requests_total', { outcome: 'ok', model: 'backup' })).toBe(1);
});

test('at most a share of the requests, retries or not', async () => {
  const stack = await open({ policy: { hedge: { after: '20ms', maxShare: 0.1 }, retry: { attempts: 1, backoff: '1ms' } } });
  for (let i = 0; i < 40; i++) {
    stack.sim.faults.add({ model: 'sim-primary', delayMs: 60, status: 500 });
    stack.sim.faults.add({ model: 'sim-primary', delayMs: 60 });
  }
  stack.sim.faults.add({ model: 'sim-backup', delayMs: 1000, count: Infinity });
  const options = Array.from({ length: 30 }, () => take(stack.client, askHi(), false));
  await Promise.all(options);
  await stack.atRest();
  expect(await stack.metric('spillway_attempts_total', { outcome: 'cancelled' })).toBeLessThanOrEqual(3);
});

test.each<[string, FailoverOptions]>([
  ['without a fallback', { groups: { chat: { models: ['primary'] } } }],
  ['with a fallback that has no room', { models: { backup: { limits: { requestsPerMinute: 1, concurrency: 1, tokensPerMinute: 10 } } } }],
  ['at the last call that is allowed', { policy: { maxAttempts: 1 } }],
])('%s there is none', async (_, options) => {
  const stack = await open(options);
  stack.sim.faults.add({ model: 'sim-primary', firstTokenMs: 250 });
  expect(await take(stack.client, askHi('word '.repeat(40)), true)).toMatchObject({ how: 'whole' });
  expect(calls(stack)).toEqual([['primary', 'complete']]);
});

test('a deadline ends both', async () => {
  const stack = await open();
  stack.sim.faults.add({ firstTokenMs: 5000, count: 2 });
  const got = await take(stack.client, askHi(), true, { 'x-spillway-deadline': '500ms' });
  expect(got).toMatchObject({ how: 'refused', status: 504, code: 'timeout' });
  expect(got.ms).toBeLessThan(1500);
  await until(() => stack.sim.log.every(({ outcome }) => outcome === 'client-left'), 'both are over');
});

test('both are whole but for their end marks and fall silent: one serves, the other was sent all the same', async () => {
  const choices = [`{"index":0,"delta":{"content":"${'x'.repeat(1000)}"},"finish_reason":null}`, '{"index":0,"delta":{},"finish_reason":"stop"}'];
  const waiting: ServerResponse[] = [];
  const upstream = await startUpstream((res) => {
    waiting.push(res);
    if (waiting.length < 2) return;
    // In one turn of the event loop: their time limits pass in one, too.
    for (const one of waiting.splice(0)) one.writeHead(200, { 'content-type': 'text/event-stream' }).write(choices.map((choice) => `data: {"id":"x","choices":[${choice}]}\n\n`).join(''));
  });
  const { baseUrl } = upstream;
  const limits = { requestsPerMinute: 1000, concurrency: 100 };
  const policy = { retry: { attempts: 0 }, streamRecovery: 'buffer', timeouts: { idle: '60ms' }, hedge: { after: '10ms', maxShare: 1 } } as const;
  const stack = await startFailover({ models: { primary: { baseUrl, limits }, backup: { baseUrl, limits } }, policy });
  for (let nth = 0; nth < 5; nth++) expect(await take(stack.client, askHi(), true)).toMatchObject({ how: 'whole' });
  expect(upstream.seen).toHaveLength(10);
  expect((await stack.used('primary', 'requests')) + (await stack.used('backup', 'requests'))).toBe(10);
  await stack.atRest();
});
