/** Budgets on the road: who is asked, who is not, what is charged, and what is said when nobody has room. */
import { describe, expect, test } from '@jest/globals';
import { freePort } from '../../support/redis.ts';
import { hi, later, startStack, startUpstream, until, type Stack } from '../../support/stack.ts';
import { ask } from '../../unit/simulator/client.ts';
import type { Fault } from '../../../src/simulator/server.ts';

const models = (stack: Stack): string[] => stack.sim.log.map(({ model }) => model);
const errorOf = (text: string) => (JSON.parse(text) as { error: { code: string; type: string; message: string; spillway: { tried: { model: string; reason: string }[] } } }).error;

describe('a model without room is not asked', () => {
  test('requests: of eleven the last goes to the fallback', async () => {
    const stack = await startStack({ primary: { limits: { requestsPerMinute: 10 } } });
    const replies = [];
    for (let i = 0; i < 11; i++) replies.push(await ask(stack.url, hi({ stream: i % 2 === 0 })));
    expect(replies.map(({ headers }) => headers['x-spillway-model'])).toEqual([...Array<string>(10).fill('primary'), 'backup']);
    expect(replies.map(({ headers }) => headers['x-ratelimit-remaining-requests'])).toEqual(['9', '8', '7', '6', '5', '4', '3', '2', '1', '0', undefined]);
    expect(replies[10]!.headers).toMatchObject({ 'x-spillway-reason': 'budget_requests', 'x-spillway-fallback': 'true', 'x-spillway-attempts': '1' });
    expect(models(stack)).toEqual([...Array<string>(10).fill('sim-primary'), 'sim-backup']);
    expect(await stack.metric('spillway_fallbacks_total', { reason: 'budget_requests', from: 'primary', to: 'backup' })).toBe(1);
  });

  test('requests, all at once', async () => {
    const stack = await startStack({ primary: { limits: { requestsPerMinute: 10 } } });
    const replies = await Promise.all(Array.from({ length: 40 }, () => ask(stack.url, hi())));
    expect(replies.map(({ status }) => status)).toEqual(Array(40).fill(200));
    expect(models(stack).filter((model) => model === 'sim-primary')).toHaveLength(10);
  });

  test('two models on one budget', async () => {
    const shared = { budget: 'pool', limits: { requestsPerMinute: 2 } };
    const stack = await startStack({ primary: shared, backup: shared });
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await ask(stack.url, hi({ model: i === 1 ? 'backup' : 'chat' }))).status);
    expect(statuses).toEqual([200, 200, 429]);
  });

  test.each([['tokensPerMinute'], ['inputTokensPerMinute']])('%s', async (limit) => {
    const stack = await startStack({ primary: { limits: { [limit]: 1000 } } });
    const long = hi({ max_tokens: 10, messages: [{ role: 'user', content: 'word '.repeat(450) }] });
    const first = await ask(stack.url, long);
    const second = await ask(stack.url, long);
    expect([first, second].map(({ headers }) => [headers['x-spillway-model'], headers['x-spillway-reason']])).toEqual([['primary', undefined], ['backup', 'budget_tokens']]);
  });

  test('an answer that was longer than reserved is charged, and shuts the budget', async () => {
    const stack = await startStack({ primary: { limits: { outputTokensPerMinute: 1000 } } });
    stack.sim.faults.add({ answerTokens: 1500 });
    await ask(stack.url, hi());
    expect(await stack.used('primary', 'output_tokens')).toBe(1500);
    expect((await ask(stack.url, hi())).headers).toMatchObject({ 'x-spillway-model': 'backup', 'x-spillway-reason': 'budget_tokens' });
  });

  test('a request larger than the whole limit', async () => {
    const stack = await startStack({ primary: { limits: { tokensPerMinute: 100 } } });
    const reply = await ask(stack.url, hi({ messages: [{ role: 'user', content: 'word '.repeat(200) }] }));
    expect(reply.headers).toMatchObject({ 'x-spillway-model': 'backup', 'x-spillway-reason': 'budget_tokens' });
    expect(await stack.used('primary', 'tokens')).toBe(0);
  });
});

describe('concurrency', () => {
  const limits = { concurrency: 1 };
  const free = (stack: Stack) => until(async () => (await stack.used('primary', 'concurrency')) === 0, 'the slot is free');

  test('one at a time, the next is diverted, and the slot is free after the answer', async () => {
    const stack = await startStack({ primary: { limits } });
    // Time for the next one, on a busy machine, too.
    stack.sim.faults.add({ delayMs: 1500 });
    const slow = ask(stack.url, hi());
    await until(() => stack.sim.log.length === 1, 'the first is under way');
    expect((await ask(stack.url, hi())).headers).toMatchObject({ 'x-spillway-model': 'backup', 'x-spillway-reason': 'budget_concurrency' });
    expect((await slow).headers).toMatchObject({ 'x-spillway-model': 'primary' });
    await free(stack);
    expect((await ask(stack.url, hi())).headers).toMatchObject({ 'x-spillway-model': 'primary' });
  });

  test.each<[string, Fault, boolean]>([
    ['a refusal', { status: 500 }, false],
    ['a reset', { reset: true }, false],
    ["the caller's own mistake", { status: 400 }, false],
    ['a broken stream', { cut: 10, answerTokens: 40, tokensPerSecond: 500 }, true],
    ['silence in a stream', { stall: { after: 3, ms: 60_000 }, tokensPerSecond: 500 }, true],
    ['silence before a stream', { firstTokenMs: 60_000 }, true],
    ['a whole stream', {}, true],
  ])('free after %s', async (_, fault, stream) => {
    const stack = await startStack({ primary: { limits }, policy: { timeouts: { idle: '200ms', firstToken: '200ms' } } });
    stack.sim.faults.add({ ...fault, model: 'sim-primary' });
    await ask(stack.url, hi({ stream }));
    await free(stack);
    expect((await ask(stack.url, hi())).headers).toMatchObject({ 'x-spillway-model': 'primary' });
  });

  test('free after the caller left', async () => {
    const stack = await startStack({ primary: { limits } });
    stack.sim.faults.add({ hang: true });
    const leaving = new AbortController();
    const left = ask(stack.url, hi(), { signal: leaving.signal });
    await until(() => stack.sim.log.length === 1, 'the call arrives');
    leaving.abort();
    expect((await left).end).not.toBe('whole');
    await free(stack);
  });
});

describe('nobody has room', () => {
  test('429 with the true wait, after which it is served', async () => {
    const stack = await startStack({ primary: { limits: { requestsPerMinute: 1 } }, backup: { limits: { requestsPerMinute: 1 } }, sidecar: { window: { stepMs: 100, steps: 20 } } });
    await Promise.all([ask(stack.url, hi()), ask(stack.url, hi())]);
    const before = performance.now();
    const refused = await ask(stack.url, hi());
    expect(refused.status).toBe(429);
    expect(refused.headers).toMatchObject({ 'content-type': 'application/json', 'x-spillway-group': 'chat', 'x-spillway-reason': 'budget_requests', 'x-spillway-attempts': '0' });
    const wait = Number(refused.headers['retry-after-ms']);
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(2100);
    expect(Number(refused.headers['retry-after'])).toBe(Math.ceil(wait / 1000));
    expect(refused.headers['x-should-retry']).toBeUndefined();
    const tried = ['primary', 'backup'].map((model) => ({ model, reason: 'budget_requests' }));
    expect(errorOf(refused.text)).toMatchObject({ code: 'budget_requests', type: 'rate_limit_error', spillway: { tried } });
    // The wait is known at `before` at the earliest, so that this is not too early.
    await later(wait + performance.now() - before + 5);
    expect((await ask(stack.url, hi())).status).toBe(200);
    expect(stack.sim.log).toHaveLength(3);
  });

  test('the official client waits as it is told, and is served', async () => {
    const stack = await startStack({ primary: { limits: { requestsPerMinute: 1 } }, groups: { chat: { models: ['primary'] } }, sidecar: { window: { stepMs: 100, steps: 10 } } });
    await stack.client.chat.completions.create(hi());
    await expect(stack.client.chat.completions.create(hi())).rejects.toHaveProperty('constructor.name', 'RateLimitError');
    const answer = await stack.client.chat.completions.create(hi(), { maxRetries: 3 });
    expect(answer.choices[0]!.finish_reason).toBe('stop');
  });

  test('a request that will never fit is not to be sent again', async () => {
    const limits = { tokensPerMinute: 100 };
    const stack = await startStack({ primary: { limits }, backup: { limits } });
    const { status, headers, text } = await ask(stack.url, hi({ messages: [{ role: 'user', content: 'word '.repeat(200) }] }));
    expect({ status, retry: headers['x-should-retry'], after: headers['retry-after'], code: errorOf(text).code }).toEqual({ status: 429, retry: 'false', after: undefined, code: 'budget_tokens' });
    expect(stack.sim.log).toEqual([]);
  });

  test('a wait of more than a minute is not to be waited for', async () => {
    const stack = await startStack({ primary: { limits: { requestsPerMinute: 1 } }, groups: { chat: { models: ['primary'] } }, sidecar: { window: { stepMs: 10_000, steps: 20 } } });
    await ask(stack.url, hi());
    const { headers } = await ask(stack.url, hi());
    expect(headers['x-should-retry']).toBe('false');
    expect(Number(headers['retry-after'])).toBeGreaterThan(60);
  });

  test('x-spillway-no-fallback: the fallback is not asked', async () => {
    const stack = await startStack({ primary: { limits: { requestsPerMinute: 1 } } });
    const own = { headers: { 'x-spillway-no-fallback': 'true' } };
    expect((await ask(stack.url, hi(), own)).status).toBe(200);
    const { status, text } = await ask(stack.url, hi(), own);
    expect({ status, tried: errorOf(text).spillway.tried }).toEqual({ status: 429, tried: [{ model: 'primary', reason: 'budget_requests' }] });
    expect(models(stack)).toEqual(['sim-primary']);
    expect((await ask(stack.url, hi(), { headers: { 'x-spillway-no-fallback': 'false' } })).status).toBe(200);
  });
});

describe('what is charged', () => {
  const limits = { requestsPerMinute: 100, tokensPerMinute: 100_000, inputTokensPerMinute: 100_000, outputTokensPerMinute: 100_000 };

  test.each([[false], [true]])('the reported usage (stream: %s)', async (stream) => {
    const stack = await startStack({ primary: { limits } });
    stack.sim.faults.add({ answerTokens: 33 });
    await ask(stack.url, hi({ stream, messages: [{ role: 'user', content: 'x'.repeat(400) }] }));
    await stack.atRest();
    const { budgets } = (await stack.status()).models['primary']!;
    expect(Object.values(budgets).map(({ used }) => used)).toEqual([1, 133, 100, 33]);
    expect(await stack.metric('spillway_budget_used', { model: 'primary', budget: 'tokens' })).toBe(133);
    expect(await stack.metric('spillway_budget_limit', { model: 'primary', budget: 'tokens' })).toBe(100_000);
    expect([await stack.metric('spillway_tokens_total', { direction: 'input' }), await stack.metric('spillway_tokens_total', { direction: 'output' })]).toEqual([100, 33]);
  });

  test.each([[false], [true]])('a careful count where no usage is reported (stream: %s)', async (stream) => {
    const stack = await startStack({ primary: { limits } });
    stack.sim.faults.add({ answerTokens: 200, usageMissing: true });
    await ask(stack.url, hi({ stream }));
    await stack.atRest();
    const output = await stack.used('primary', 'output_tokens');
    expect(output).toBeGreaterThanOrEqual(200);
    expect(output).toBeLessThan(600);
  });

  test.each<[string, Fault, number, boolean]>([
    ['turned away: the request alone', { status: 429 }, 1, false],
    ['it may have worked: all that was reserved', { status: 500 }, 1, true],
    ['no answer: all that was reserved', { reset: true }, 1, true],
  ])('%s', async (_, fault, requests, reserved) => {
    const stack = await startStack({ primary: { limits } });
    stack.sim.faults.add({ ...fault, model: 'sim-primary' });
    await ask(stack.url, hi());
    await stack.atRest();
    expect(await stack.used('primary', 'requests')).toBe(requests);
    const tokens = await stack.used('primary', 'tokens');
    expect(reserved ? tokens > 1000 : tokens === 0).toBe(true);
  });
});

describe('nothing can serve', () => {
  test('maxAttempts bounds the calls', async () => {
    const more = Object.fromEntries([1, 2, 3].map((n) => [`more${n}`, { provider: 'openai', model: `sim-more${n}`, baseUrl: 'http://127.0.0.1:1/v1' }]));
    const stack = await startStack({ models: more, groups: { chat: { models: ['primary'], fallback: ['backup', 'more1', 'more2', 'more3'] } }, policy: { maxAttempts: 2 } });
    stack.sim.faults.add({ status: 500, count: 9 });
    const { status, headers, text } = await ask(stack.url, hi());
    expect({ status, attempts: headers['x-spillway-attempts'], tried: errorOf(text).spillway.tried.length }).toEqual({ status: 502, attempts: '2', tried: 2 });
    expect(stack.sim.log).toHaveLength(2);
  });

  test.each<[string, Fault, Fault, number, string]>([
    ['rate limits alone', { status: 429, retryAfter: 7 }, { status: 429, retryAfter: 3 }, 429, 'rate_limited'],
    ['a rate limit and something else', { status: 429 }, { status: 500 }, 502, 'rate_limited'],
    ['no quota', { status: 429, code: 'insufficient_quota' }, { status: 429 }, 502, 'quota_exhausted'],
    ['time-outs', { status: 504 }, { status: 500 }, 504, 'timeout'],
    ['overload', { status: 503 }, { status: 429 }, 503, 'overloaded'],
    ['errors', { status: 500 }, { status: 503 }, 502, 'server_error'],
    ['a wrong key', { status: 401 }, { status: 401 }, 502, 'auth'],
    ['no such model', { status: 404 }, { status: 503 }, 502, 'not_found'],
    ['a broken connection', { reset: true }, { reset: true }, 502, 'connection'],
    ['nonsense', { notJson: true }, { notJson: true }, 502, 'malformed_response'],
  ])('%s', async (_, first, second, status, code) => {
    const stack = await startStack();
    stack.sim.faults.add({ ...first, model: 'sim-primary' });
    stack.sim.faults.add({ ...second, model: 'sim-backup' });
    const reply = await ask(stack.url, hi({ stream: true }));
    expect({ status: reply.status, code: errorOf(reply.text).code, reason: reply.headers['x-spillway-reason'], models: errorOf(reply.text).spillway.tried.map(({ model }) => model) }).toEqual({ status, code, reason: code, models: ['primary', 'backup'] });
    // Without a header the provider's words count: "Please try again in 1s".
    const throttled = [first, second].some((fault) => 'status' in fault && fault.status === 429);
    expect(reply.headers['retry-after-ms']).toBe(status === 429 ? '3000' : throttled ? '1000' : undefined);
    expect(await stack.metric('spillway_requests_total', { outcome: 'refused', reason: code })).toBe(1);
  });

  test('a provider that this version cannot speak to: 400', async () => {
    const stack = await startStack({ models: { other: { provider: 'anthropic', model: 'claude' } } });
    const { status, text } = await ask(stack.url, hi({ model: 'other' }));
    expect({ status, code: errorOf(text).code }).toEqual({ status: 400, code: 'untranslatable' });
    expect(stack.sim.log).toEqual([]);
  });
});

describe('the deadline', () => {
  const hangs = async (stack: Stack, stream = false) => {
    stack.sim.faults.add({ hang: true, count: 5 });
    return ask(stack.url, hi({ stream }), { headers: { 'x-spillway-deadline': '200ms' } });
  };

  test.each([[false], [true]])('passes on the only model (stream: %s)', async (stream) => {
    const stack = await startStack({ groups: { chat: { models: ['primary'] } } });
    const { status, text, headers } = await hangs(stack, stream);
    expect({ status, code: errorOf(text).code, tried: errorOf(text).spillway.tried }).toEqual({ status: 504, code: 'timeout', tried: [{ model: 'primary', reason: 'timeout' }] });
    expect(headers['x-spillway-reason']).toBe('timeout');
    await until(() => stack.sim.log.length === 1, 'one call was made');
  });

  test('passes before the next model can be asked', async () => {
    const stack = await startStack();
    const { status, text } = await hangs(stack);
    expect({ status, tried: errorOf(text).spillway.tried }).toEqual({ status: 504, tried: [{ model: 'primary', reason: 'timeout' }] });
    expect(models(stack)).toEqual(['sim-primary']);
  });

  test('passes on the last model after another had no room', async () => {
    const stack = await startStack({ primary: { limits: { tokensPerMinute: 1 } } });
    const { status, text, headers } = await hangs(stack);
    expect({ status, code: errorOf(text).code, reason: headers['x-spillway-reason'] }).toEqual({ status: 504, code: 'timeout', reason: 'timeout' });
    expect(errorOf(text).spillway.tried).toEqual([{ model: 'primary', reason: 'budget_tokens' }, { model: 'backup', reason: 'timeout' }]);
  });

  test("the policy's own", async () => {
    const stack = await startStack({ policy: { deadline: '200ms' } });
    stack.sim.faults.add({ hang: true });
    expect((await ask(stack.url, hi())).status).toBe(504);
  });

  test.each([['soon'], ['-1s'], ['0s'], ['1e3ms'], ['5'], ['99999999h']])('%s is none', async (text) => {
    const stack = await startStack();
    const reply = await ask(stack.url, hi(), { headers: { 'x-spillway-deadline': text } });
    expect({ status: reply.status, code: errorOf(reply.text).code }).toEqual({ status: 400, code: 'invalid_deadline' });
    expect(errorOf(reply.text).message).toContain(text);
    expect(stack.sim.log).toEqual([]);
  });
});

describe('a reservation that grew too old', () => {
  test('is given back and taken anew, and the call goes out once', async () => {
    // So young no reservation is by the time a connection stands; on the second try it stands already.
    const stack = await startStack({ primary: { limits: { requestsPerMinute: 5 } }, sidecar: { maxAgeMs: -1 }, policy: { deadline: '300ms' } });
    const { status } = await ask(stack.url, hi());
    expect(status).toBe(504);
    expect(stack.sim.log).toEqual([]);
    expect(await stack.used('primary', 'requests')).toBe(0);
  });

  test('of an upstream that cannot be reached is given back', async () => {
    const upstream = await startUpstream((res) => void res.end());
    const port = await freePort();
    const stack = await startStack({ primary: { baseUrl: `http://127.0.0.1:${port}/v1`, limits: { requestsPerMinute: 5 } } });
    expect((await ask(stack.url, hi())).status).toBe(200);
    expect(await stack.used('primary', 'requests')).toBe(0);
    expect(upstream.seen).toEqual([]);
  });
});
