/** Starting without Redis: each pod serves its share. What befalls Redis under load is in redis-failures.test.ts. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { startSimulator, type SimCall, type Simulator } from '../../src/simulator/server.ts';
import { killAll, startSidecar, type SidecarProcess } from '../support/processes.ts';
import { describeWithRedis, freePort, startRedis, type RedisServer } from '../support/redis.ts';
import { chat, closeConnections, failures, metric, statusOf, until } from './client.ts';
import { configText, directory, envFor, ONE_SECOND, worst, type Directory } from './setup.ts';

const LIMIT = 20;
const PODS = 2;

let simulator: Simulator;
let files: Directory;
let redis: RedisServer | undefined;
let silent: Server | undefined;

beforeAll(async () => {
  files = await directory();
  simulator = await startSimulator({ models: [{ name: 'primary' }, { name: 'fallback' }] });
});

afterAll(async () => {
  closeConnections();
  await simulator.close();
  await files.remove();
});

afterEach(async () => {
  await killAll();
  await redis?.stop();
  silent?.close();
  redis = undefined;
  simulator.reset();
});

async function start(url: string): Promise<SidecarProcess[]> {
  const upstream = simulator.url;
  const config = await files.write(
    'spillway.yaml',
    configText({
      models: { primary: { url: upstream, limits: { requestsPerMinute: LIMIT } }, fallback: { url: upstream } },
      groups: { app: { models: ['primary'], fallback: ['fallback'] } },
      redis: { url },
      maxPods: PODS,
    }),
  );
  return Promise.all(Array.from({ length: PODS }, () => startSidecar({ config, window: ONE_SECOND, env: envFor({ url }) })));
}

const ask = () => ({ model: 'app' });
const primary = (): SimCall[] => simulator.log.filter(({ model }) => model === 'primary');
const states = (pods: readonly SidecarProcess[]) => Promise.all(pods.map(async (pod) => (await statusOf(pod.admin)).redis));
const all = (pods: readonly SidecarProcess[], holds: (state: { up: boolean; degraded: boolean; pods: number }) => boolean) => async () => (await states(pods)).every(holds);
/** So long that nothing of before counts any more. */
const aWindow = () => pause((ONE_SECOND.steps + 2) * ONE_SECOND.stepMs);

describeWithRedis('Redis', () => {
  test('started without it, each serves its share; when it comes, the budget is shared again', async () => {
    const port = await freePort();
    const pods = await start(`redis://127.0.0.1:${port}`);
    for (const state of await states(pods)) expect(state).toMatchObject({ mode: 'redis', up: false, degraded: true });
    expect(await metric(pods[0]!.admin, 'spillway_redis_up')).toBe(0);
    expect(await metric(pods[0]!.admin, 'spillway_degraded')).toBe(1);

    // All on one pod: it has its share and no more.
    const alone = await Promise.all(Array.from({ length: LIMIT }, () => chat(pods[0]!.url, ask())));
    expect(failures(alone)).toEqual([]);
    expect(primary().length).toBeGreaterThanOrEqual(LIMIT / PODS);
    expect(worst(ONE_SECOND, primary()).calls).toBeLessThanOrEqual(LIMIT / PODS);
    expect(alone.filter(({ headers }) => headers['x-spillway-reason'] === 'budget_requests')).toHaveLength(LIMIT - primary().length);

    redis = await startRedis({ port });
    await until('Redis is found', all(pods, ({ up, degraded }) => up && !degraded));
    await aWindow();
    simulator.reset();
    // One pod may take what the other leaves, and both together no more than the limit.
    const most = await Promise.all(Array.from({ length: LIMIT - 2 }, () => chat(pods[0]!.url, ask())));
    expect(most.filter(({ headers }) => headers['x-spillway-fallback'] === 'false')).toHaveLength(LIMIT - 2);
    const rest = await Promise.all(Array.from({ length: LIMIT }, () => chat(pods[1]!.url, ask())));
    expect(failures([...most, ...rest])).toEqual([]);
    expect(primary().length).toBeGreaterThanOrEqual(LIMIT);
    expect(worst(ONE_SECOND, primary()).calls).toBeLessThanOrEqual(LIMIT);
    expect(await metric(pods[0]!.admin, 'spillway_redis_up')).toBe(1);
  });

  test('its address edited while the start waits for one that does not answer', async () => {
    silent = createServer((socket) => void socket.on('error', () => undefined).resume()).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    redis = await startRedis();
    const address = silent.address();
    const url = `redis://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`;
    const text = configText({ models: { primary: { url: simulator.url, limits: { requestsPerMinute: LIMIT } } }, groups: { app: { models: ['primary'] } }, redis });
    const connected = once(silent, 'connection');
    const starting = startSidecar({ config: await files.write('spillway.yaml', text.replace('REDIS_URL', 'SILENT_URL')), env: { ...envFor(redis), SILENT_URL: url } });
    await Promise.race([connected, starting]);
    await files.write('spillway.yaml', text);
    const pod = await starting;
    await until('the new address is used', async () => (await statusOf(pod.admin)).redis.up);
    expect(failures([await chat(pod.url, ask())])).toEqual([]);
    expect((await statusOf(pod.admin)).models['primary']!.budgets['requests']!.used).toBe(1);
  });
});
