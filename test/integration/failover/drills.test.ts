/** Drills, and what the app is told: headers, the last comment of a stream, x-should-retry. */
import { describe, expect, test } from '@jest/globals';
import { hi, later, type Stack } from '../../support/stack.ts';
import { ask, contentOf } from '../../unit/simulator/client.ts';
import { askHi, header, startFailover, startWriter, take, WORDS, type FailoverOptions, type Got } from './support.ts';

const drills = { config: { drills: true } };
const drill = (stack: Stack, name: string, stream = false): Promise<Got> => take(stack.client, askHi(`echo: ${WORDS.join('')}`), stream, { 'x-spillway-drill': name });
const calls = ({ sim }: Stack): string[] => sim.log.map(({ model }) => model.slice(4));
const HEADERS = ['model', 'fallback', 'reason'];

describe('drills', () => {
  test.each([['rate_limited', 'rate_limited'], ['timeout', 'timeout'], ['server_error', 'server_error']])('%s: the fallback serves, the primary is not called', async (name, reason) => {
    const stack = await startFailover(drills);
    for (const stream of [false, true]) {
      const got = await drill(stack, name, stream);
      expect([got.how, got.text, ...HEADERS.map((one) => header(got, one))]).toEqual(['whole', WORDS.join(''), 'backup', 'true', reason]);
    }
    expect(calls(stack)).toEqual(['backup', 'backup']);
    // It is no news of the model, and costs nothing of its budget.
    expect([await stack.used('primary', 'requests'), await stack.used('primary', 'tokens')]).toEqual([0, 0]);
    expect((await stack.status()).models['primary']).toMatchObject({ circuit: 'closed', cooldownUntil: null });
    expect(header(await take(stack.client, askHi(), true), 'model')).toBe('primary');
  });

  test.each([['context_window', 'contextWindowFallback'], ['content_policy', 'contentPolicyFallback']])('%s', async (name, key) => {
    const stack = await startFailover({ ...drills, models: { other: {} }, groups: { chat: { models: ['primary'], fallback: ['backup'], [key]: ['other'] }, bare: { models: ['primary'], fallback: ['backup'] } } });
    const got = await drill(stack, name);
    expect([got.how, ...HEADERS.map((one) => header(got, one))]).toEqual(['whole', 'other', 'true', name]);
    const refused = await take(stack.client, { ...askHi(), model: 'bare' }, false, { 'x-spillway-drill': name });
    expect(refused).toMatchObject({ how: 'refused', status: 400, code: name });
    expect(calls(stack)).toEqual(['other']);
  });

  test.each([
    ['error', undefined, { how: 'broken', code: 'connection' }],
    ['buffer', undefined, { how: 'whole', text: WORDS.join('') }],
  ] as const)('cut-stream with streamRecovery: %s', async (streamRecovery, _, wanted) => {
    const stack = await startFailover({ ...drills, policy: { streamRecovery, retry: { attempts: 0 } } });
    stack.sim.faults.add({ tokensPerSecond: 600, count: 2 });
    const got = await drill(stack, 'cut-stream', true);
    expect(got).toMatchObject(wanted);
    expect(header(got, 'model')).toBe(streamRecovery === 'error' ? 'primary' : 'backup');
    await stack.atRest();
    expect((await stack.status()).models['primary']).toMatchObject({ circuit: 'closed' });
  });

  test('cut-stream of a JSON answer changes nothing', async () => {
    const stack = await startFailover(drills);
    expect(await drill(stack, 'cut-stream')).toMatchObject({ how: 'whole' });
    expect(calls(stack)).toEqual(['primary']);
  });

  test('many of them open no circuit', async () => {
    const stack = await startFailover(drills);
    for (let i = 0; i < 12; i++) await drill(stack, ['server_error', 'timeout', 'rate_limited'][i % 3]!, i % 2 === 0);
    expect(header(await take(stack.client, askHi(), false), 'model')).toBe('primary');
  });

  test('with drills off the header means nothing, whatever it says', async () => {
    const stack = await startFailover();
    for (const name of ['server_error', 'nonsense']) expect(header(await drill(stack, name), 'model')).toBe('primary');
    expect(stack.sim.log.every(({ headers }) => !('x-spillway-drill' in headers))).toBe(true);
  });

  test('an unknown name is a 400 that names the known ones', async () => {
    const stack = await startFailover(drills);
    const reply = await ask(stack.url, hi(), { headers: { 'x-spillway-drill': 'explode' } });
    expect(reply.status).toBe(400);
    for (const name of ['rate_limited', 'timeout', 'server_error', 'context_window', 'content_policy', 'cut-stream', 'explode']) expect(reply.text).toContain(name);
    expect(calls(stack)).toEqual([]);
  });

  test('of a group of one without a fallback: it fails as the model would', async () => {
    const stack = await startFailover({ ...drills, groups: { chat: { models: ['primary'] } }, policy: { retry: { honourRetryAfter: '0ms', attempts: 0 } } });
    expect(await drill(stack, 'rate_limited')).toMatchObject({ status: 429, code: 'rate_limited' });
    expect(await drill(stack, 'timeout')).toMatchObject({ status: 504, code: 'timeout' });
    expect(await drill(stack, 'server_error')).toMatchObject({ status: 502, code: 'server_error' });
  });
});

/** What one stream said, from its first byte. */
async function raw(options: FailoverOptions, prepare: (stack: Stack) => void = () => undefined) {
  const stack = await startFailover(options);
  prepare(stack);
  return ask(stack.url, hi({ stream: true }));
}
const lastComment = (text: string): unknown => JSON.parse(text.trimEnd().split('\n\n').at(-1)!.replace(': spillway ', ''));

describe('told', () => {
  test('a plain stream has no comment of ours', async () => {
    expect((await raw({})).text).not.toContain(': spillway');
  });

  test('broken: an error event, then the comment', async () => {
    const reply = await raw({}, ({ sim }) => sim.faults.add({ model: 'sim-primary', cut: 10, tokensPerSecond: 500 }));
    expect(lastComment(reply.text)).toEqual({ outcome: 'broken', reason: 'connection' });
    expect(reply.text).not.toContain('[DONE]');
  });

  test('continued: the headers name who began, the comment all who wrote', async () => {
    const [first, second] = [await startWriter({ cut: 40 }), await startWriter()];
    const reply = await raw({ models: { primary: { baseUrl: first.baseUrl }, backup: { baseUrl: second.baseUrl } }, policy: { streamRecovery: 'continue' } });
    expect(reply.headers).toMatchObject({ 'x-spillway-model': 'primary', 'x-spillway-fallback': 'false', 'x-spillway-attempts': '1' });
    expect(lastComment(reply.text)).toEqual({ outcome: 'continued', models: ['primary', 'backup'], reason: 'connection' });
    const answer = reply.text.slice(0, reply.text.indexOf(': spillway'));
    expect(contentOf(answer)).toBe(WORDS.join(''));
    expect(answer.match(/\[DONE\]/g)).toHaveLength(1);
  });

  test("nobody could serve: each model's reason, and the true wait", async () => {
    const stack = await startFailover();
    stack.sim.faults.add({ model: 'sim-primary', status: 429, retryAfter: 40 });
    stack.sim.faults.add({ model: 'sim-backup', status: 429, retryAfter: 30 });
    const first = await ask(stack.url, hi());
    expect(first).toMatchObject({ status: 429, headers: { 'retry-after': '30', 'x-spillway-attempts': '2', 'x-spillway-reason': 'rate_limited', 'x-spillway-group': 'chat' } });
    expect(first.headers['x-should-retry']).toBeUndefined();
    expect(JSON.parse(first.text)).toMatchObject({ error: { code: 'rate_limited', type: 'rate_limit_error', spillway: { tried: [{ model: 'primary', reason: 'rate_limited' }, { model: 'backup', reason: 'rate_limited' }] } } });
    await later(100);
    const next = await ask(stack.url, hi());
    expect(next).toMatchObject({ status: 503, headers: { 'retry-after': '30', 'x-spillway-attempts': '0', 'x-spillway-reason': 'cooldown' } });
    expect(Number(next.headers['retry-after-ms'])).toBeLessThan(29_950);
    expect(stack.sim.log).toHaveLength(2);
  });

  test.each([[59, undefined], [61, 'false']])('a wait of %i s: x-should-retry is %s', async (retryAfter, wanted) => {
    const stack = await startFailover({ groups: { chat: { models: ['primary'] } } });
    stack.sim.faults.add({ status: 429, retryAfter });
    const reply = await ask(stack.url, hi());
    expect([reply.status, reply.headers['retry-after'], reply.headers['x-should-retry']]).toEqual([429, String(retryAfter), wanted]);
  });

  test("a caller's short deadline is no fault of the model's", async () => {
    const stack = await startFailover({ policy: { breaker: { failures: 1 } } });
    stack.sim.faults.add({ tokensPerSecond: 50, answerTokens: 500 });
    const reply = await ask(stack.url, hi({ stream: true }), { headers: { 'x-spillway-deadline': '300ms' } });
    expect(reply.text).toContain('"code":"timeout"');
    await stack.atRest();
    expect((await stack.status()).models['primary']).toMatchObject({ circuit: 'closed' });
    expect(header(await take(stack.client, askHi(), false), 'model')).toBe('primary');
  });

  test('deadline and attempts bound everything', async () => {
    const stack = await startFailover({ models: { c: {}, d: {} }, groups: { chat: { models: ['primary'], fallback: ['backup', 'c', 'd'] } }, policy: { maxAttempts: 3, retry: { backoff: '10ms' } } });
    stack.sim.faults.add({ status: 500, count: Infinity });
    const got = await take(stack.client, askHi(), true);
    expect(got).toMatchObject({ status: 502, code: 'server_error' });
    expect(calls(stack)).toEqual(['primary', 'primary', 'backup']);
  });
});
