/** SIGTERM at every bad moment: running answers end, nothing that was taken is kept, the process goes in order. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Agent } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { startSimulator, type SimCall, type Simulator } from '../../src/simulator/server.ts';
import { killAll, serving, startSidecar, type Exit, type SidecarProcess } from '../support/processes.ts';
import { describeWithRedis, startRedis, type RedisServer } from '../support/redis.ts';
import { chat, closeConnections, failures, get, statusOf, until, type Answer } from './client.ts';
import { configText, directory, envFor, type Directory } from './setup.ts';

const STREAMS = 20;
const TOKENS = 30;
const DONE = 'data: [DONE]';

let simulator: Simulator;
let files: Directory;
let redis: RedisServer | undefined;

beforeAll(async () => {
  files = await directory();
  simulator = await startSimulator({ models: [{ name: 'slow', answerTokens: TOKENS, tokensPerSecond: 25 }, { name: 'fast' }] });
});

afterAll(async () => {
  closeConnections();
  await simulator.close();
  await files.remove();
});

afterEach(async () => {
  simulator.reset();
  await killAll();
  await redis?.stop();
  redis = undefined;
});

const LIMITS = { requestsPerMinute: 1_000, tokensPerMinute: 1_000_000, concurrency: 100 };

function text(withRedis?: { readonly url: string }): string {
  const { url } = simulator;
  return configText({
    models: { slow: { url, limits: LIMITS }, fast: { url } },
    groups: { app: { models: ['slow'] }, quick: { models: ['fast'] } },
    ...(withRedis && { redis: withRedis }),
  });
}

async function start(...args: string[]): Promise<SidecarProcess> {
  return startSidecar({ config: await files.write('spillway.yaml', text(redis)), env: envFor(redis), args });
}

/** All of them are running when this resolves. */
async function streams(sidecar: SidecarProcess, agent: Agent): Promise<Promise<Answer>[]> {
  const begun = new Set<number>();
  const running = Array.from({ length: STREAMS }, (_, i) => chat(sidecar.url, { model: 'app', stream: true, agent, onText: () => begun.add(i) }));
  await until('all streams have begun', () => begun.size === STREAMS);
  return running;
}

function onTime(exited: Promise<Exit>, ms: number): Promise<Exit | 'still running'> {
  return Promise.race([exited, pause(ms, 'still running' as const, { ref: false })]);
}

const used = (calls: readonly SimCall[]) => calls.reduce((sum, { promptTokens, completionTokens }) => sum + promptTokens + completionTokens, 0);

/** What is used of the shared budget: number, tokens, held at once. */
async function usage(pod: SidecarProcess): Promise<{ requests: number; tokens: number; concurrency: number }> {
  const { requests, tokens, concurrency } = (await statusOf(pod.admin)).models['slow']!.budgets;
  return { requests: requests!.used, tokens: tokens!.used, concurrency: concurrency!.used };
}

describeWithRedis('under 20 running streams', () => {
  let agent: Agent;
  let other: SidecarProcess;
  let sidecar: SidecarProcess;

  beforeEach(async () => {
    agent = new Agent({ keepAlive: true });
    redis = await startRedis();
    // It lives on, and tells what Redis holds.
    other = await start();
  });

  afterEach(() => agent.destroy());

  test('all of them end whole, new ones are refused, the budgets are settled', async () => {
    sidecar = await start();
    const running = await streams(sidecar, agent);
    expect(await usage(other)).toMatchObject({ requests: STREAMS, concurrency: STREAMS });
    expect((await get(`${sidecar.admin}/readyz`)).status).toBe(200);
    sidecar.kill('SIGTERM');
    await until('not ready any more', async () => (await get(`${sidecar.admin}/readyz`)).status === 503);
    expect((await get(`${sidecar.admin}/livez`)).status).toBe(200);
    const refused = await chat(sidecar.url, { model: 'app', agent: new Agent() });
    expect(refused).toMatchObject({ status: 0, error: 'ECONNREFUSED' });
    expect((await statusOf(sidecar.admin)).requests.running).toBe(STREAMS);

    const answers = await Promise.all(running);
    expect(failures(answers)).toEqual([]);
    for (const answer of answers) expect(answer.text).toContain(DONE);
    expect(await sidecar.exited).toEqual({ code: 0, signal: null });
    expect(sidecar.stderr()).toBe('');
    expect(simulator.log.filter(({ outcome }) => outcome === 'complete')).toHaveLength(STREAMS);
    expect(await usage(other)).toEqual({ requests: STREAMS, tokens: used(simulator.log), concurrency: 0 });
    // It has said that it leaves: its share is the others' when Redis is away.
    await until('one pod is left', async () => (await statusOf(other.admin)).redis.pods === 1);
  });

  test('with too little grace they break off, and none looks finished', async () => {
    sidecar = await start('--grace', '300ms');
    const running = await streams(sidecar, agent);
    sidecar.kill('SIGTERM');
    const answers = await Promise.all(running);
    expect(await onTime(sidecar.exited, 5_000)).toEqual({ code: 0, signal: null });
    expect(sidecar.stderr()).toBe('');
    for (const answer of answers) {
      expect(answer.text).toContain('data: {');
      expect(answer.text).not.toContain(DONE);
      // Cut on the wire, or told in the stream's own words.
      expect(!answer.complete || answer.text.includes('"error"')).toBe(true);
    }
    await until('the upstream is left', () => simulator.log.every(({ outcome }) => outcome === 'client-left'));
    const { requests, concurrency } = await usage(other);
    expect({ requests, concurrency }).toEqual({ requests: STREAMS, concurrency: 0 });
  });

  /** Its streams have ended, on the Redis settings of before the edit. */
  async function editRedisUnderStreams(of: (given: string) => string = (given) => given): Promise<void> {
    sidecar = await startSidecar({ config: await files.write('spillway.yaml', of(text(redis))), env: envFor(redis) });
    const running = await streams(sidecar, agent);
    await files.write('spillway.yaml', of(text(redis)).replace('"timeout": "900ms"', '"timeout": "899ms"'));
    await until('the edit is in force', () => sidecar.logs().filter((line) => line['msg'] === 'configuration applied').length === 2);
    expect(failures([await chat(sidecar.url, { model: 'quick' })])).toEqual([]);
    sidecar.kill('SIGTERM');
    expect(failures(await Promise.all(running))).toEqual([]);
  }

  /** All calls together are given less time than the groups' own have. */
  const shortForAll = (given: string): string => {
    const { groups, ...rest } = JSON.parse(given) as { groups: Record<string, object> };
    const longer = Object.entries(groups).map(([name, group]) => [name, { ...group, policy: { deadline: '1m' } }]);
    return JSON.stringify({ ...rest, groups: Object.fromEntries(longer), policy: { deadline: '50ms' } }, undefined, 2);
  };

  test.each([
    ['', undefined],
    [', also by a group whose deadline is longer than that of all', shortForAll],
  ])('budgets taken before an edit of the redis section are settled where they were taken%s', async (_, of) => {
    await editRedisUnderStreams(of);
    const slow = simulator.log.filter(({ model }) => model === 'slow');
    const settled = { requests: STREAMS, tokens: used(slow), concurrency: 0 };
    await until('settled', async () => JSON.stringify(await usage(other)) === JSON.stringify(settled));
  });

  test('the connection to the Redis of before an edit does not keep the process', async () => {
    await editRedisUnderStreams();
    expect(await onTime(sidecar.exited, 2_000)).toEqual({ code: 0, signal: null });
  });
});

describe('with no request running', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('it is gone at once, whatever connections are kept open: %s', async (signal) => {
    const sidecar = await start();
    expect(failures([await chat(sidecar.url, { model: 'quick' })])).toEqual([]);
    sidecar.kill(signal);
    expect(await onTime(sidecar.exited, 5_000)).toEqual({ code: 0, signal: null });
    expect(sidecar.stderr()).toBe('');
    expect(sidecar.logs().at(-1)).toMatchObject({ msg: 'stopped' });
  });
});

describe('before it is ready', () => {
  let silent: Server;
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    silent = createServer((socket) => sockets.add(socket.on('error', () => undefined).resume())).listen(0, '127.0.0.1');
    await once(silent, 'listening');
  });

  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  test('SIGTERM while it waits for a Redis that does not answer', async () => {
    const address = silent.address();
    const url = `redis://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`;
    const connected = once(silent, 'connection');
    const sidecar = serving({ config: await files.write('spillway.yaml', text({ url })), env: envFor({ url }) });
    await connected;
    expect(sidecar.stdout()).not.toContain('"ready"');
    sidecar.kill('SIGTERM');
    expect(await onTime(sidecar.exited, 8_000)).toEqual({ code: 0, signal: null });
    expect(sidecar.stderr()).toBe('');
  });

  test.each([0, 50, 100])('SIGTERM %i ms after the start', async (ms) => {
    const sidecar = serving({ config: await files.write('spillway.yaml', text()), env: envFor() });
    await pause(ms);
    sidecar.kill('SIGTERM');
    const exit = await onTime(sidecar.exited, 8_000);
    // Before the first line of the program runs, only the system can answer the signal.
    expect(exit).toEqual(sidecar.stdout() === '' && typeof exit === 'object' && exit.signal === 'SIGTERM' ? { code: null, signal: 'SIGTERM' } : { code: 0, signal: null });
    expect(sidecar.stderr()).toBe('');
  });
});
