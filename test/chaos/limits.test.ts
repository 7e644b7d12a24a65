/** The first promise, over several processes: the provider's own log is the judge. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { startSimulator, type SimCall, type Simulator } from '../../src/simulator/server.ts';
import { killAll, startSidecar, type SidecarProcess } from '../support/processes.ts';
import { describeWithRedis, startRedis, type RedisServer } from '../support/redis.ts';
import { chat, closeConnections, failures, load, statusOf, until, type Answer } from './client.ts';
import { arrivals, configText, directory, envFor, LONG_ENOUGH_MS, ONE_SECOND, TWO_SECONDS, worst, type Directory, type Limits } from './setup.ts';

/** Prompt 100 tokens as the simulator counts, answer 900: 1,000 in all, reserved and used alike. */
const PROMPT = 'four'.repeat(100);
const ANSWER = 900;

let redis: RedisServer;
let simulator: Simulator;
let files: Directory;
let pods: SidecarProcess[] = [];

beforeAll(async () => {
  files = await directory();
  simulator = await startSimulator({ models: ['requests', 'tokens', 'primary', 'fallback'].map((name) => ({ name, answerTokens: ANSWER })) });
});

afterAll(async () => {
  closeConnections();
  await simulator.close();
  await files.remove();
});

afterEach(async () => {
  await killAll();
  await redis?.stop();
});

const callsOf = (model: string): SimCall[] => simulator.log.filter((call) => call.model === model);

async function start(count: number, window: typeof ONE_SECOND | typeof TWO_SECONDS, primaries: Readonly<Record<string, Limits>>): Promise<void> {
  simulator.reset();
  redis = await startRedis();
  const url = simulator.url;
  const config = await files.write(
    'spillway.yaml',
    configText({
      models: { ...Object.fromEntries(Object.entries(primaries).map(([name, limits]) => [name, { url, limits }])), fallback: { url, limits: { requestsPerMinute: 100_000, tokensPerMinute: 900_000_000 } } },
      groups: Object.fromEntries(Object.keys(primaries).map((name) => [`${name}-with-fallback`, { models: [name], fallback: ['fallback'] }])),
      redis,
    }),
  );
  pods = await Promise.all(Array.from({ length: count }, () => startSidecar({ config, window, env: envFor(redis) })));
}

function served({ headers }: Answer) {
  const { 'x-spillway-model': model, 'x-spillway-group': group, 'x-spillway-fallback': fallback, 'x-spillway-reason': reason } = headers;
  return { model, group, fallback, reason };
}

describeWithRedis('40 requests in a burst over three processes', () => {
  test.each([
    ['requests', 'budget_requests', { requestsPerMinute: 10, tokensPerMinute: 900_000 }, 10],
    // 1,000 tokens each; before anything is known of the model more is reserved for the prompt, so the tenth may not fit.
    ['tokens', 'budget_tokens', { requestsPerMinute: 1_000, tokensPerMinute: 10_000 }, 8],
  ])('bound by %s', async (_, reason, limits, atLeast) => {
    await start(3, ONE_SECOND, { primary: limits });
    const answers = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        await pause(i * 5);
        return chat(pods[i % 3]!.url, { model: 'primary-with-fallback', prompt: PROMPT, maxTokens: ANSWER });
      }),
    );
    expect(failures(answers)).toEqual([]);

    const window = worst(ONE_SECOND, callsOf('primary'));
    expect(window.ms).toBeGreaterThan(LONG_ENOUGH_MS);
    expect(window.calls).toBeLessThanOrEqual(limits.requestsPerMinute);
    expect(window.tokens).toBeLessThanOrEqual(limits.tokensPerMinute);

    const group = 'primary-with-fallback';
    const [own, diverted] = [answers.filter(({ headers }) => headers['x-spillway-fallback'] === 'false'), answers.filter(({ headers }) => headers['x-spillway-fallback'] !== 'false')];
    expect(own.length).toBeGreaterThanOrEqual(atLeast);
    expect(own.length).toBe(callsOf('primary').length);
    expect(diverted.length).toBe(callsOf('fallback').length);
    for (const answer of own) expect(served(answer)).toEqual({ model: 'primary', group, fallback: 'false', reason: undefined });
    for (const answer of diverted) expect(served(answer)).toEqual({ model: 'fallback', group, fallback: 'true', reason });

    await until('the window is over', async () => (await statusOf(pods[0]!.admin)).models['primary']!.budgets[reason.slice('budget_'.length)]!.used === 0);
    const again = await Promise.all(pods.map((pod) => chat(pod.url, { model: group, prompt: PROMPT, maxTokens: ANSWER })));
    for (const answer of again) expect(served(answer)).toEqual({ model: 'primary', group, fallback: 'false', reason: undefined });
  });
});

describeWithRedis('two processes under more load than the limits', () => {
  const TURNS = 3;
  /** One turn of the ring: what was taken in a step is free again when as many others have passed. */
  const TURN_MS = (TWO_SECONDS.steps + 1) * TWO_SECONDS.stepMs;
  const REQUESTS = 60;
  const TOKENS = 60_000;
  let answers: readonly Answer[] = [];

  beforeEach(async () => {
    await start(2, TWO_SECONDS, { requests: { requestsPerMinute: REQUESTS }, tokens: { tokensPerMinute: TOKENS } });
    const running = load(pods.map((pod) => pod.url), 6, 8, (nth) => ({ model: nth % 2 === 0 ? 'requests-with-fallback' : 'tokens-with-fallback', prompt: PROMPT, maxTokens: ANSWER }));
    await pause(TURNS * TURN_MS + 200);
    answers = await running.stop();
  });

  /** What was admitted, of what the limit allows in windows of steps x stepMs, over whole turns from the step of the first call on. */
  function use(model: string, limit: number, of: 'calls' | 'tokens'): number {
    const all = arrivals(callsOf(model));
    const first = Math.floor(all[0]!.at / TWO_SECONDS.stepMs) * TWO_SECONDS.stepMs;
    const inside = all.filter(({ at }) => at < first + TURNS * TURN_MS);
    const admitted = of === 'calls' ? inside.length : inside.reduce((sum, { reservedTokens }) => sum + reservedTokens, 0);
    return admitted / ((limit * TURNS * TURN_MS) / (TWO_SECONDS.steps * TWO_SECONDS.stepMs));
  }

  test('no window has more than the limit, and little of it is lost', async () => {
    expect(failures(answers)).toEqual([]);
    expect(pods.flatMap((pod) => pod.logs()).filter((line) => line['msg'] === 'redis')).toEqual([]);
    const byRequests = worst(TWO_SECONDS, callsOf('requests'));
    const byTokens = worst(TWO_SECONDS, callsOf('tokens'));
    // With a longer way than this the windows looked at would be too short to say anything.
    expect(Math.min(byRequests.ms, byTokens.ms)).toBeGreaterThan(1_000);
    expect(byRequests.calls).toBeLessThanOrEqual(REQUESTS);
    expect(byTokens.tokens).toBeLessThanOrEqual(TOKENS);
    // More was wanted than both had.
    expect(callsOf('fallback').length).toBeGreaterThan(100);
    const used = { requests: use('requests', REQUESTS, 'calls'), tokens: use('tokens', TOKENS, 'tokens') };
    expect(used.requests).toBeGreaterThanOrEqual(0.9);
    expect(used.tokens).toBeGreaterThanOrEqual(0.9);
    // The load did go on to the end.
    expect(callsOf('fallback').at(-1)!.at - callsOf('requests')[0]!.at).toBeGreaterThan(TURNS * TURN_MS);
    if (process.env['SPILLWAY_TEST_FIGURES']) console.log({ byRequests, byTokens, used, fallback: callsOf('fallback').length });
  });
});
