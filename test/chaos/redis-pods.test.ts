/** A pod ends, in order or not, with streams and places open: what it held is the others' again. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Agent } from 'node:http';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { ask } from '../support/redis-ask.ts';
import { killAll, startSidecar, type SidecarProcess } from '../support/processes.ts';
import { describeWithRedis, startRedis, type RedisServer } from '../support/redis.ts';
import { chat, closeConnections, statusOf, until, type Answer, type Level } from './client.ts';
import { configText, directory, envFor, type Directory } from './setup.ts';

/** A tenth of those of production, where a lease is 30 s. */
const INTERVALS = { leaseMs: 3_000, podMs: 1_500, recordMs: 2_000, beatMs: 300 };
const WINDOW = { stepMs: 100, steps: 30, maxAgeMs: 500 } as const;
const PODS = 3;
const EACH = 3;
/** Fields beside the records: the epoch and the newest beat. */
const OF_THE_FLEET = 2;
const LIMITS = { requestsPerMinute: 30, tokensPerMinute: 30_000, concurrency: PODS * EACH };

let simulator: Simulator;
let files: Directory;
let redis: RedisServer;
let agent: Agent;
let pods: SidecarProcess[];

beforeAll(async () => {
  files = await directory();
  simulator = await startSimulator({ models: [{ name: 'slow', answerTokens: 1_000, tokensPerSecond: 50 }, { name: 'fast' }] });
});

afterAll(async () => {
  closeConnections();
  await simulator.close();
  await files.remove();
});

beforeEach(async () => {
  agent = new Agent();
  redis = await startRedis();
  const { url } = simulator;
  const config = await files.write(
    'spillway.yaml',
    configText({ models: { slow: { url, limits: LIMITS }, fast: { url } }, groups: { app: { models: ['slow'], fallback: ['fast'] } }, redis, maxPods: PODS }),
  );
  const env = { ...envFor(redis), SPILLWAY_TEST_INTERVALS: JSON.stringify(INTERVALS) };
  pods = await Promise.all(Array.from({ length: PODS }, () => startSidecar({ config, window: WINDOW, env, args: ['--grace', '100ms'] })));
  await until('all know of each other', async () => (await Promise.all(pods.map(redisOf))).every((state) => state.pods === PODS));
  await streams();
  expect(await budgetsOf(pods[1]!)).toMatchObject({ concurrency: { used: PODS * EACH }, requests: { used: PODS * EACH } });
});

afterEach(async () => {
  agent.destroy();
  await killAll();
  await redis.stop();
  simulator.reset();
});

/** All places of the model are taken when it resolves, as many by each pod. */
async function streams(): Promise<void> {
  const begun = new Set<number>();
  for (let i = 0; i < PODS * EACH; i += 1) void chat(pods[i % PODS]!.url, { model: 'app', maxTokens: 1_000, stream: true, agent, onText: () => begun.add(i) });
  await until('all streams have begun', () => begun.size === PODS * EACH);
}

const redisOf = async (pod: SidecarProcess) => (await statusOf(pod.admin)).redis;
const budgetsOf = async (pod: SidecarProcess): Promise<Readonly<Record<string, Level>>> => (await statusOf(pod.admin)).models['slow']!.budgets;
const used = async (pod: SidecarProcess, budget: string) => (await budgetsOf(pod))[budget]!.used;
const one = (pod: SidecarProcess): Promise<Answer> => chat(pod.url, { model: 'app', maxTokens: 1_000, stream: true, agent });
const figures = (name: string, ms: number): void => {
  if (process.env['SPILLWAY_TEST_FIGURES']) console.log(`${name}: ${Math.round(ms)} ms`);
};

/** Alone, a pod shows its own use and its own limits. */
async function sharesOf(some: readonly SidecarProcess[]): Promise<number[]> {
  redis.pause();
  await until('Redis is away', async () => (await Promise.all(some.map(redisOf))).every(({ up }) => !up));
  const limits = await Promise.all(some.map(async (pod) => (await budgetsOf(pod))['requests']!.limit));
  redis.resume();
  return limits;
}

describeWithRedis('one of three pods, with open streams', () => {
  test('killed: its places, its share and its records are given back without it', async () => {
    const [killed, ...others] = pods;
    const taken = await one(others[0]!);
    expect(taken.headers).toMatchObject({ 'x-spillway-model': 'fast', 'x-spillway-reason': 'budget_concurrency' });
    killed!.kill('SIGKILL');
    await killed!.exited;
    const ms = await until('its places are free', async () => (await used(others[0]!, 'concurrency')) === (PODS - 1) * EACH);
    figures('killed: places free', ms);
    // Not by a renewal of the others that was missed.
    expect(simulator.log.filter(({ model, outcome }) => model === 'slow' && outcome === 'pending')).toHaveLength((PODS - 1) * EACH);
    await until('it is no longer counted', async () => (await Promise.all(others.map(redisOf))).every((state) => state.pods === PODS - 1));
    // Of the whole window only what runs longer than it is left, and that is not counted twice.
    await until('what it had reserved has left the window', async () => (await used(others[0]!, 'requests')) === 0);
    const records = async () => Number(await ask(redis.port, ['HLEN', '{spillway}:rsv']));
    await until('its records are gone', async () => (await records()) === OF_THE_FLEET + (PODS - 1) * EACH);
    await until('its share is theirs', async () => (await sharesOf(others)).every((limit) => limit === LIMITS.requestsPerMinute / (PODS - 1)));
  });

  test('SIGTERM: all is given back when it is gone', async () => {
    const [stopped, ...others] = pods;
    stopped!.kill('SIGTERM');
    expect(await stopped!.exited).toEqual({ code: 0, signal: null });
    expect(await used(others[0]!, 'concurrency')).toBe((PODS - 1) * EACH);
    const records = await ask(redis.port, ['HLEN', '{spillway}:rsv']);
    expect(records).toBe(OF_THE_FLEET + (PODS - 1) * EACH);
    await until('the others know', async () => (await Promise.all(others.map(redisOf))).every((state) => state.pods === PODS - 1));
    const again = chat(others[0]!.url, { model: 'app', maxTokens: 1_000, stream: true, agent, onText: () => agent.destroy() });
    expect((await again).headers['x-spillway-model']).toBe('slow');
  });
});
