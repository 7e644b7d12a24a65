/** Callers that leave while nothing is under way for them: nothing is sent any more, and all is given back. */
import { afterEach, expect, test } from '@jest/globals';
import type { Stack } from '../../support/stack.ts';
import type { FailoverOptions } from './support.ts';
import { watchBudgets } from './watched-budgets.ts';

const watch = await watchBudgets();
const { askHi, startFailover, take } = await import('./support.ts');
const { later, until } = await import('../../support/stack.ts');

afterEach(() => {
  watch.delay = () => 0;
});

const alone = { groups: { chat: { models: ['primary'] } } };
const calls = ({ sim }: Stack): string[] => sim.log.map(({ model }) => model);

/** Leaves after a while; then as long as the pause would have lasted, and longer. */
async function leaves(options: FailoverOptions, prepare: (stack: Stack) => unknown, when: (stack: Stack) => Promise<void>, restMs: number, stream = true): Promise<Stack> {
  watch.settled.clear();
  const stack = await startFailover(options);
  await prepare(stack);
  const leaving = new AbortController();
  const asked = take(stack.client, askHi(), stream, {}, leaving.signal);
  await when(stack);
  leaving.abort();
  expect(await asked).toMatchObject({ how: 'refused', error: 'APIUserAbortError' });
  const before = calls(stack);
  await until(async () => (await stack.status()).requests.running === 0, 'it is let go of');
  await later(restMs);
  expect(calls(stack)).toEqual(before);
  await stack.atRest();
  expect(await stack.metric('spillway_requests_total', { outcome: 'client_left' })).toBe(1);
  expect(watch.settled.size).toBeGreaterThan(0);
  expect({ settled: [...watch.settled.values()], strangers: watch.strangers }).toEqual({ settled: [...watch.settled.values()].map(() => 1), strangers: [] });
  return stack;
}

const failedOnce = async (stack: Stack): Promise<void> => {
  await until(() => stack.log.some((line) => line.includes('attempt failed')), 'the first call failed');
};

test.each([['JSON', false], ['a stream', true]])('while a Retry-After is waited for (%s)', async (_, stream) => {
  const stack = await leaves(alone, ({ sim }) => sim.faults.add({ status: 429, headers: { 'retry-after-ms': '600' } }), failedOnce, 800, stream);
  expect(calls(stack)).toEqual(['sim-primary']);
});

test('while the primary is preferred', async () => {
  const stack = await leaves({ policy: { wait: '1s' } }, ({ sim }) => sim.faults.add({ status: 429, headers: { 'retry-after-ms': '600' } }), failedOnce, 800);
  expect(calls(stack)).toEqual(['sim-primary']);
});

test('before its next try', async () => {
  const stack = await leaves({ policy: { retry: { backoff: '60s', maxBackoff: '60s' } } }, ({ sim }) => sim.faults.add({ status: 500 }), failedOnce, 300);
  expect(calls(stack)).toEqual(['sim-primary']);
});

test('while a budget has no room', async () => {
  const options = { ...alone, models: { primary: { limits: { requestsPerMinute: 1, concurrency: 5 } } }, sidecar: { window: { stepMs: 100, steps: 10 } } };
  let questions = 0;
  watch.delay = () => (questions++, 0);
  const stack = await leaves(options, (stack) => take(stack.client, askHi(), false), () => until(() => questions >= 2, 'it is asked for'), 1200);
  expect(calls(stack)).toEqual(['sim-primary']);
});

/** So long a budget is asked: time for what has to come meanwhile, on a busy machine, too. */
const ASKED_MS = 1200;
const hedge = { policy: { hedge: { after: '150ms', maxShare: 1 } } };
const slow = ({ sim }: Stack): void => {
  for (const model of ['sim-primary', 'sim-backup']) sim.faults.add({ model, firstTokenMs: 5000 });
};

test('before the hedge begins', async () => {
  const late = { policy: { hedge: { after: '1s', maxShare: 1 } } };
  const stack = await leaves(late, slow, (stack) => until(() => stack.sim.log.length === 1, 'the first call'), 1200);
  expect(stack.sim.log.map(({ outcome }) => outcome)).toEqual(['client-left']);
});

test('while both are under way', async () => {
  const stack = await leaves(hedge, slow, (stack) => until(() => stack.sim.log.length === 2, 'both calls'), 100);
  expect(stack.sim.log.map(({ outcome }) => outcome)).toEqual(['client-left', 'client-left']);
  expect(await stack.metric('spillway_attempts_total', { outcome: 'client_left' })).toBe(1);
  expect(await stack.metric('spillway_attempts_total')).toBe(2);
});

test("while the hedge's budget is asked", async () => {
  let isAsked = false;
  watch.delay = (question) => {
    isAsked = question === 1;
    return isAsked ? ASKED_MS : 0;
  };
  const stack = await leaves(hedge, slow, () => until(() => isAsked, 'it is asked'), ASKED_MS + 200);
  expect(calls(stack)).toEqual(['sim-primary']);
});

test("the primary answers while the hedge's budget is asked: nothing more is sent", async () => {
  watch.settled.clear();
  watch.delay = (question) => (question === 1 ? ASKED_MS : 0);
  const stack = await startFailover(hedge);
  stack.sim.faults.add({ model: 'sim-primary', firstTokenMs: 300 });
  expect(await take(stack.client, askHi(), true)).toMatchObject({ how: 'whole' });
  await stack.atRest();
  expect(calls(stack)).toEqual(['sim-primary']);
  expect([...watch.settled.values()]).toEqual([1, 1]);
});
