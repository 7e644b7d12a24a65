/** Groups of several models, each strategy through the whole stack; and "auto". */
import { describe, expect, test } from '@jest/globals';
import { hi, startStack, until, type Stack } from '../../support/stack.ts';
import { ask } from '../../unit/simulator/client.ts';
import { askHi, header, LIMITS, startFailover, take, type FailoverOptions } from './support.ts';

interface Shared {
  readonly balance: string;
  readonly a?: object;
  readonly b?: object;
  readonly weights?: readonly [number, number];
}

function pair({ balance, a = {}, b = {}, weights = [1, 1] }: Shared, more: FailoverOptions = {}): Promise<Stack> {
  const models = [{ model: 'a', weight: weights[0] }, { model: 'b', weight: weights[1] }];
  return startFailover({ ...more, models: { a, b }, groups: { chat: { models, balance, fallback: ['backup'] } } });
}

async function send(stack: Stack, count: number, stream = false): Promise<void> {
  for (let i = 0; i < count; i++) expect((await take(stack.client, askHi(), stream)).how).toBe('whole');
}

const share = ({ sim }: Stack, model = 'sim-a'): number => sim.log.filter((call) => call.model === model).length;

describe('shares', () => {
  test.each([['weighted', [3, 1], 30], ['round-robin', [3, 1], 20]] as const)('%s', async (balance, weights, ofForty) => {
    const stack = await pair({ balance, weights });
    await send(stack, 40);
    expect(Math.abs(share(stack) - ofForty)).toBeLessThanOrEqual(1);
    expect(share(stack) + share(stack, 'sim-b')).toBe(40);
  });

  test('least-busy: a slow model gets what it can carry', async () => {
    const stack = await pair({ balance: 'least-busy' });
    stack.sim.faults.add({ model: 'sim-a', delayMs: 1000, count: Infinity });
    const all = [];
    let answered = 0;
    for (let i = 1; i <= 20; i++) {
      all.push(take(stack.client, askHi(), false).then(() => answered++));
      // The quick one is free again, however long it took: only the slow one is busy.
      await until(() => stack.sim.log.length === i && answered >= share(stack, 'sim-b'), 'the quick answers');
    }
    await Promise.all(all);
    expect(share(stack)).toBeLessThanOrEqual(5);
    expect(share(stack)).toBeGreaterThanOrEqual(1);
  });

  test.each([[true], [false]])('lowest-latency (streams: %s)', async (stream) => {
    const stack = await pair({ balance: 'lowest-latency' });
    const slow = (ms: number) => (stream ? { firstTokenMs: ms } : { delayMs: ms });
    // Far enough apart that a pause of the machine does not make them alike.
    const slowly = () => stack.sim.faults.add({ model: 'sim-a', ...slow(1500), count: Infinity });
    slowly();
    // While none is measured the load is spread: at once, and answered only when all have been asked, so that both are.
    stack.sim.faults.add({ model: 'sim-b', ...slow(300), count: 20 });
    await Promise.all(Array.from({ length: 20 }, () => send(stack, 1, stream)));
    stack.sim.faults.clear();
    slowly();
    const before = share(stack);
    await send(stack, 40, stream);
    expect(before).toBeGreaterThan(0);
    expect(share(stack) - before).toBeLessThanOrEqual(2);
  });

  test('lowest-latency: a model that falls silent is slow, not quick as it was', async () => {
    const stack = await pair({ balance: 'lowest-latency' }, { policy: { timeouts: { firstToken: '4s' }, breaker: { failures: 1000 } } });
    stack.sim.faults.add({ model: 'sim-b', firstTokenMs: 150, count: Infinity });
    await Promise.all(Array.from({ length: 12 }, () => send(stack, 1, true)));
    await send(stack, 3, true);
    stack.sim.faults.add({ model: 'sim-a', hang: true, count: Infinity });
    const before = share(stack);
    // By what the one time-out took, weighed with the time since the last: near 500 ms, so that the other may be late, too.
    await send(stack, 6, true);
    expect(share(stack) - before).toBeLessThanOrEqual(2);
  });

  test('lowest-cost', async () => {
    const stack = await pair({ balance: 'lowest-cost', a: { price: { input: 3, output: 15 } }, b: { price: { input: 1, output: 5 } } });
    await send(stack, 10);
    expect(share(stack, 'sim-b')).toBe(10);
  });

  test('most-headroom: by what is left of the budgets', async () => {
    const stack = await pair({ balance: 'most-headroom', a: { limits: { requestsPerMinute: 100 } }, b: { limits: { requestsPerMinute: 20 } } });
    await send(stack, 30);
    // Even use would be 25 to 5.
    expect(share(stack)).toBeGreaterThanOrEqual(22);
    expect(share(stack)).toBeLessThanOrEqual(28);
  });
});

describe('unwell models are avoided', () => {
  test.each(['weighted', 'round-robin', 'least-busy', 'lowest-latency', 'lowest-cost', 'most-headroom'])('%s', async (balance) => {
    const price = { input: 1, output: 1 };
    const stack = await pair({ balance, a: { price }, b: { price: { input: 2, output: 2 } } });
    stack.sim.faults.add({ model: 'sim-a', status: 429, retryAfter: 30, count: Infinity });
    await send(stack, 20);
    expect(share(stack)).toBeLessThanOrEqual(1);
    expect(share(stack, 'sim-backup')).toBe(0);
  });

  test("another of the group's own is no fallback, and says why only if its turn it was not", async () => {
    const stack = await pair({ balance: 'lowest-cost', a: { price: { input: 1, output: 1 } }, b: { price: { input: 2, output: 2 } } });
    stack.sim.faults.add({ model: 'sim-a', status: 429, retryAfter: 30 });
    const [diverted, next, later] = [await take(stack.client, askHi(), false), await take(stack.client, askHi(), false), await take(stack.client, askHi(), false)];
    const shown = [diverted, next, later].map((got) => [header(got, 'model'), header(got, 'fallback'), header(got, 'reason')]);
    // The first that was passed over for its cooldown is told so; from then on it is not its turn.
    expect(shown).toEqual([['b', 'false', 'rate_limited'], ['b', 'false', 'cooldown'], ['b', 'false', null]]);
  });

  test('a fallback too small for the prompt is no reason for the model whose turn it was', async () => {
    const stack = await startFailover({ models: { a: { contextWindow: 100_000 }, b: { contextWindow: 100_000 }, backup: { contextWindow: 5 } }, groups: { chat: { models: ['a', 'b'], balance: 'round-robin', fallback: ['backup'] } } });
    const all = [];
    for (let i = 0; i < 6; i++) all.push(await take(stack.client, askHi('word '.repeat(50)), false));
    expect(all.map((got) => header(got, 'reason'))).toEqual(Array(6).fill(null));
    expect(await stack.metric('spillway_fallbacks_total')).toBe(0);
  });
});

describe('tasks', () => {
  const tasks = {
    default: 'chat',
    rules: [
      { task: 'coding', keywords: ['code', 'refactor'], group: 'strong' },
      { task: 'long', keywords: ['novel'], group: 'strong' },
      { task: 'fast', maxPromptTokens: 60, group: 'quick' },
    ],
  };
  const open = (): Promise<Stack> => startFailover({ models: { s: {}, q: {} }, groups: { strong: { models: ['s'] }, quick: { models: ['q'] } }, config: { tasks } });
  const long = 'tell me about the weather in all the towns of the north. '.repeat(20);

  test.each<[string, string | undefined, string, string]>([
    ['named by the app', 'coding', 'hi', 'strong'],
    ['named by the app against its size', 'fast', long, 'quick'],
    ['a task that nobody knows: the default', 'poetry', 'refactor this code', 'chat'],
    ['by a word', undefined, `${long} Refactor this.`, 'strong'],
    ['by its size', undefined, 'hi', 'quick'],
    ['neither: the default', undefined, long, 'chat'],
    ['a part of a word is no word', undefined, `${long} decoder`, 'chat'],
  ])('%s', async (_, task, text, group) => {
    const stack = await open();
    const got = await take(stack.client, { ...askHi(text), model: 'auto' }, false, task === undefined ? {} : { 'x-spillway-task': task });
    expect([got.how, header(got, 'group')]).toEqual(['whole', group]);
    await stack.atRest();
    expect(await stack.metric('spillway_requests_total', { group, outcome: 'ok' })).toBe(1);
  });

  test('a name is a name, whatever the task says; and without tasks there is no "auto"', async () => {
    const stack = await open();
    expect(header(await take(stack.client, askHi('refactor'), false, { 'x-spillway-task': 'coding' }), 'group')).toBe('chat');
    const none = await startStack();
    expect(await ask(none.url, hi({ model: 'auto' }))).toMatchObject({ status: 404, text: expect.stringContaining('model_not_found') });
  });
});

test('limits of a whole group are shared by all of its requests', async () => {
  const stack = await pair({ balance: 'round-robin', a: { limits: { ...LIMITS, requestsPerMinute: 5 } }, b: { limits: { ...LIMITS, requestsPerMinute: 5 } } });
  await send(stack, 14);
  expect([share(stack), share(stack, 'sim-b'), share(stack, 'sim-backup')]).toEqual([5, 5, 4]);
});
