/** The Redis engine over a real Redis: shared, one round trip, and what it does while Redis is away. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connectRedis } from '../../src/budgets/client.ts';
import { createBudgets } from '../../src/budgets/create.ts';
import type { BudgetsEvent } from '../../src/budgets/link.ts';
import { createRedisBudgets, type RedisBudgets, type RedisBudgetsOptions } from '../../src/budgets/redis.ts';
import type { Ask, Candidate, Decision } from '../../src/budgets/types.ts';
import { window } from '../../src/wire/window.ts';
import { describeWithRedis, freePort, startRedis, type RedisServer } from '../support/redis.ts';

const ask = (limit: number, amount = 1): Ask => ({ dimension: 'requests', limit, amount });
const slot = (limit: number): Ask => ({ dimension: 'concurrency', limit, amount: 1 });
const chain = (...asks: Ask[]): Candidate[] => [{ budget: 'main', asks }];
const usedOf = async (budgets: RedisBudgets, asks: Ask[]) =>
  (await budgets.usage(new Map([['main', asks]]))).get('main')!.map(({ used }) => used);

const pause = (ms: number) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500 && !(await isTrue()); i += 1) await pause(10);
  expect(await isTrue()).toBe(true);
}

describeWithRedis('budgets in Redis', () => {
  let server: RedisServer;
  const opened: RedisBudgets[] = [];

  async function pod(name: string, more: Partial<RedisBudgetsOptions> = {}): Promise<RedisBudgets> {
    const client = await connectRedis({ url: server.url });
    const budgets = createRedisBudgets({ client, keyPrefix: 'test', window: window(), pod: name, ...more });
    opened.push(budgets);
    await budgets.started();
    return budgets;
  }
  const probe = async () => (await connectRedis({ url: server.url })) as unknown as import('ioredis').Redis;

  beforeEach(async () => {
    server = await startRedis();
  });
  afterEach(async () => {
    server.resume();
    await Promise.all(opened.splice(0).map((budgets) => budgets.close()));
    await server.stop();
  });

  test('two pods that race for one budget never take more than its limit', async () => {
    const pods = [await pod('a'), await pod('b')];
    const decisions = await Promise.all(
      Array.from({ length: 400 }, (_, i) => pods[i % 2]!.reserve(`id-${i}`, chain(ask(100), slot(1_000)))),
    );
    expect(decisions.every(({ by }) => by === 'redis')).toBe(true);
    expect(decisions.filter(({ chosen }) => chosen === 0)).toHaveLength(100);
    expect(await usedOf(pods[0]!, [ask(100), slot(1_000)])).toEqual([100, 100]);
  });

  test('a reserve is one script call, whatever the length of the chain', async () => {
    const budgets = await pod('a');
    const candidates = ['x', 'y', 'z'].map((budget) => ({ budget, asks: [ask(budget === 'z' ? 1_000 : 1)] }));
    await budgets.reserve('first', candidates);
    const client = await probe();
    await until(() => client.status === 'ready');
    await client.config('RESETSTAT');
    for (let i = 0; i < 50; i += 1) await budgets.reserve(`id-${i}`, candidates);
    const stats = await client.info('commandstats');
    client.disconnect();
    expect(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]).toBe('50');
    expect(stats).not.toMatch(/cmdstat_eval:|cmdstat_multi:|cmdstat_script/);
  });

  test('the same id is charged once, by the same pod and by another', async () => {
    const [a, b] = [await pod('a'), await pod('b')];
    const first = await a.reserve('one', chain(ask(10, 3)));
    expect(await a.reserve('one', chain(ask(10, 3)))).toEqual({ ...first, replayed: true });
    expect(await b.reserve('one', chain(ask(10, 3)))).toEqual({ ...first, replayed: true });
    expect(await usedOf(a, [ask(10)])).toEqual([3]);
  });

  test('what was settled is seen by the other pod; settling twice does nothing', async () => {
    const [a, b] = [await pod('a'), await pod('b')];
    const tokens: Ask = { dimension: 'tokens', limit: 1_000, amount: 700 };
    await a.reserve('one', chain(tokens, slot(1)));
    expect((await b.reserve('two', chain(tokens, slot(1)))).chosen).toBe(-1);
    a.settle('one', { tokens: 100 });
    a.settle('one', { tokens: 0 });
    await until(async () => (await usedOf(b, [tokens]))[0] === 100);
    expect((await b.reserve('three', chain(tokens, slot(1)))).chosen).toBe(0);
  });

  test('a settle that comes before the answer is not lost', async () => {
    const budgets = await pod('a');
    const decision = budgets.reserve('one', chain(ask(10), slot(1)));
    budgets.settle('one', { requests: 0 });
    expect((await decision).chosen).toBe(0);
    await until(async () => (await usedOf(budgets, [ask(10), slot(1)])).join() === '0,0');
  });

  test('pods are counted; one that closes leaves at once; a beat keeps the slots of a live one', async () => {
    const intervals = { beatMs: 100, leaseMs: 400, podMs: 400 };
    const a = await pod('a', { intervals });
    const b = await pod('b', { intervals });
    await a.reserve('held', chain(slot(1)));
    await until(() => a.state().pods === 2);
    await pause(900);
    expect((await b.reserve('other', chain(slot(1)))).chosen).toBe(-1);
    await a.close();
    await until(() => b.state().pods === 1);
    // Its slot was not settled: as if it had died.
    await until(async () => (await b.reserve('again', chain(slot(1)))).chosen === 0);
  });

  test('SCRIPT FLUSH is healed unseen', async () => {
    const budgets = await pod('a');
    await budgets.reserve('one', chain(ask(10)));
    const client = await probe();
    await until(() => client.status === 'ready');
    await client.script('FLUSH');
    client.disconnect();
    expect(await budgets.reserve('two', chain(ask(10)))).toMatchObject({ chosen: 0, by: 'redis' });
    expect(budgets.state()).toMatchObject({ up: true, degraded: false, lastError: null });
  });

  test('Redis stands still: one request waits for the time-out, the next do not; nothing is charged twice', async () => {
    const events: BudgetsEvent[] = [];
    const budgets = await pod('a', { timeoutMs: 60, onEvent: (event) => events.push(event) });
    await budgets.reserve('before', chain(ask(100, 10), slot(100)));
    server.pause();
    const started = performance.now();
    const first = await budgets.reserve('first', chain(ask(100, 10), slot(100)));
    const waited = performance.now() - started;
    expect(waited).toBeGreaterThan(50);
    expect(waited).toBeLessThan(250);
    expect(first).toMatchObject({ chosen: 0, by: 'process', levels: [{ used: 20 }, { used: 2 }] });
    for (let i = 0; i < 20; i += 1) {
      const at = performance.now();
      expect(await budgets.reserve(`away-${i}`, chain(ask(100)))).toMatchObject({ by: 'process' });
      expect(performance.now() - at).toBeLessThan(20);
    }
    budgets.settle('before', { requests: 4 });
    expect(budgets.state()).toMatchObject({ up: false, degraded: true });
    server.resume();
    await until(() => budgets.state().up);
    // The ghost of `first` was given back, and the settle of `before` arrived.
    await until(async () => (await usedOf(budgets, [ask(100), slot(100)])).join() === '4,0');
    expect(await budgets.reserve('after', chain(ask(100)))).toMatchObject({ by: 'redis' });
    expect(events.map(({ kind }) => kind)).toEqual(['degraded', 'recovered']);
    // A local id is known locally still.
    expect(await budgets.reserve('away-0', chain(ask(100)))).toMatchObject({ by: 'process', replayed: true });
  });

  test('Redis is killed: the share applies at once, own use counts; Redis returns: it decides again', async () => {
    const a = await pod('a', { intervals: { beatMs: 50, retryMs: 50 } });
    const b = await pod('b', { intervals: { beatMs: 50, retryMs: 50 } });
    await until(() => a.state().pods === 2 && b.state().pods === 2);
    for (let i = 0; i < 30; i += 1) await a.reserve(`up-${i}`, chain(ask(100)));
    await server.kill();
    await until(() => !a.state().up);
    const admitted: Decision[] = [];
    for (let i = 0; i < 60; i += 1) admitted.push(await a.reserve(`down-${i}`, chain(ask(100))));
    // Half of 100, of which 30 were used through Redis.
    expect(admitted.filter(({ chosen }) => chosen === 0)).toHaveLength(20);
    expect(admitted.every(({ by }) => by === 'process')).toBe(true);
    expect(await a.reserve('large', chain(ask(100, 80)))).toMatchObject({ chosen: -1, refusals: [{ waitMs: 0 }] });
    expect(await a.reserve('huge', chain(ask(100, 101)))).toMatchObject({ chosen: -1, refusals: [{ waitMs: -1 }] });
    a.settle('up-0', { requests: 0 });
    a.settle('down-0', { requests: 0 });
    await server.restart();
    await until(() => a.state().up && b.state().up);
    expect(await a.reserve('back', chain(ask(100)))).toMatchObject({ chosen: 0, by: 'redis' });
  });

  test('a Redis that refuses writes is away, and traffic goes on', async () => {
    const budgets = await pod('a', { intervals: { retryMs: 50 } });
    const client = await probe();
    await until(() => client.status === 'ready');
    await client.config('SET', 'maxmemory-policy', 'noeviction', 'maxmemory', '1');
    expect(await budgets.reserve('one', chain(ask(10)))).toMatchObject({ chosen: 0, by: 'process' });
    expect(budgets.state().lastError).toMatch(/OOM/);
    await client.config('SET', 'maxmemory', '0');
    client.disconnect();
    await until(() => budgets.state().up);
    expect(await budgets.reserve('two', chain(ask(10)))).toMatchObject({ by: 'redis' });
  });

  test('a pause of this process is not taken for a slow Redis', async () => {
    const budgets = await pod('a', { timeoutMs: 20 });
    await budgets.reserve('warm', chain(ask(10)));
    const decision = budgets.reserve('one', chain(ask(10)));
    const end = performance.now() + 100;
    while (performance.now() < end);
    expect(await decision).toMatchObject({ by: 'redis' });
  });

  test('no Redis at the start: it starts, with the share of the most pods; passwords stay unseen', async () => {
    const events: BudgetsEvent[] = [];
    const budgets = await createBudgets({
      redis: { url: `redis://user:hunter2@127.0.0.1:${await freePort()}` },
      keyPrefix: 'test',
      window: window(),
      pod: 'a',
      maxPods: 5,
      onEvent: (event) => events.push(event),
    });
    const admitted = Array.from({ length: 30 }, (_, i) => budgets.reserve(`id-${i}`, chain(ask(100))) as Decision);
    expect(admitted.filter(({ chosen }) => chosen === 0)).toHaveLength(20);
    expect(budgets.state()).toMatchObject({ mode: 'redis', up: false, degraded: true });
    expect(JSON.stringify([events, budgets.state()])).not.toContain('hunter2');
    expect(JSON.stringify(events)).toMatch(/ECONNREFUSED/);
    await budgets.close();
  });

  test('one node of a cluster', async () => {
    const node = await startRedis({ args: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'] });
    const single = (await connectRedis({ port: node.port })) as import('ioredis').Redis;
    await until(() => single.status === 'ready');
    await single.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
    await until(async () => /cluster_state:ok/.test(String(await single.call('CLUSTER', 'INFO'))));
    single.disconnect();
    const budgets = await createBudgets({
      redis: { cluster: { nodes: [`127.0.0.1:${node.port}`] } },
      keyPrefix: 'test',
      window: window(),
      pod: 'a',
    });
    expect(await budgets.reserve('one', chain(ask(10)))).toMatchObject({ chosen: 0, by: 'redis' });
    await budgets.close();
    await node.stop();
  });

  test('a password is used, from the url or beside it', async () => {
    const locked = await startRedis({ args: ['--requirepass', 'p@ss/word'] });
    const settings = [
      { host: '127.0.0.1', port: locked.port, password: 'p@ss/word', db: 2 },
      { url: `redis://:${encodeURIComponent('p@ss/word')}@127.0.0.1:${locked.port}/2` },
      { url: `redis://:wrong@127.0.0.1:${locked.port}` },
    ];
    const answers: unknown[] = [];
    for (const redis of settings) {
      const budgets = await createBudgets({ redis, keyPrefix: 'test', window: window(), pod: 'a' });
      answers.push([budgets.state().up, (await budgets.reserve('one', chain(ask(10)))).by]);
      expect(budgets.state().lastError ?? '').not.toContain('wrong@');
      await budgets.close();
    }
    expect(answers).toEqual([[true, 'redis'], [true, 'redis'], [false, 'process']]);
    await locked.stop();
  });
});
