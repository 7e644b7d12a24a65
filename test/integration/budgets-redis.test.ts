/** The Redis engine over a real Redis: shared, one round trip, settled exactly. What it does without: budgets-redis-outage. */
import { expect, test } from '@jest/globals';
import { connectRedis } from '../../src/budgets/client.ts';
import { createBudgets } from '../../src/budgets/create.ts';
import type { BudgetsEvent } from '../../src/budgets/link.ts';
import type { RedisBudgets } from '../../src/budgets/redis.ts';
import type { Decision } from '../../src/budgets/types.ts';
import { window } from '../../src/wire/window.ts';
import { describeWithRedis, freePort, startRedis } from '../support/redis.ts';
import { ask, chain, of, pods, slot, STILL, until, usedOf } from './budgets-redis-pods.ts';

describeWithRedis('budgets in Redis', () => {
  const fleet = pods();
  const { pod } = fleet;

  test('two pods that race for one budget never take more than its limit', async () => {
    const both = [await pod('a'), await pod('b')];
    const decisions = await Promise.all(
      Array.from({ length: 400 }, (_, i) => both[i % 2]!.reserve(`id-${i}`, chain(ask(100), slot(1_000)))),
    );
    expect(decisions.every(({ by }) => by === 'redis')).toBe(true);
    expect(decisions.filter(({ chosen }) => chosen === 0)).toHaveLength(100);
    expect(await usedOf(both[0]!, [ask(100), slot(1_000)])).toEqual([100, 100]);
  });

  test('a reserve is one script call, whatever the length of the chain', async () => {
    const budgets = await pod('a', { intervals: STILL });
    const candidates = ['x', 'y', 'z'].map((budget) => ({ model: budget, budget, asks: [ask(budget === 'z' ? 1_000 : 1)] }));
    await budgets.reserve('first', candidates);
    await fleet.scriptCalls();
    for (let i = 0; i < 50; i += 1) expect(await budgets.reserve(`id-${i}`, candidates)).toMatchObject({ by: 'redis' });
    const stats = String(await fleet.redis('INFO', 'commandstats'));
    expect(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]).toBe('50');
    expect(stats).not.toMatch(/cmdstat_eval:|cmdstat_multi:|cmdstat_script/);
  });

  /** So many callers, each with one request after the other. */
  async function traffic(budgets: RedisBudgets, callers: number, each: number): Promise<number> {
    await fleet.scriptCalls();
    const call = async (caller: number): Promise<void> => {
      for (let i = 0; i < each; i += 1) {
        const id = `${callers}.${caller}.${i}`;
        const decision = await budgets.reserve(id, chain(ask(1e6), slot(1e6)));
        expect(decision).toMatchObject({ chosen: 0, by: 'redis' });
        budgets.settle(id, { requests: 1 });
      }
    };
    await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)));
    await until('the last settles', async () => (await usedOf(budgets, [slot(1)]))[0] === 0);
    // The look itself.
    return (await fleet.scriptCalls()) - 1;
  }

  test('I12: one awaited round trip a request; its settle rides with the next one', async () => {
    const budgets = await pod('a', { intervals: STILL, timeoutMs: 1_000 });
    await budgets.reserve('warm', chain(ask(1e6)));
    const alone = await traffic(budgets, 1, 100);
    // The last settle has none to ride with; and a machine that is busy may let 2 ms pass now and then.
    expect(alone).toBeGreaterThanOrEqual(101);
    expect(alone).toBeLessThan(125);
    const together = await traffic(budgets, 32, 20);
    expect(together).toBeGreaterThanOrEqual(21);
    expect(together).toBeLessThan(160);
  });

  test('I3: the same id is charged once, by the same pod and by another', async () => {
    const [a, b] = [await pod('a'), await pod('b')];
    const first = await a.reserve('one', chain(ask(10, 3)));
    expect(await a.reserve('one', chain(ask(10, 3)))).toEqual({ ...first, replayed: true });
    expect(await b.reserve('one', chain(ask(10, 3)))).toEqual({ ...first, replayed: true });
    expect(await usedOf(a, [ask(10)])).toEqual([3]);
  });

  test('what was settled is seen by the other pod; settling twice does nothing', async () => {
    const [a, b] = [await pod('a'), await pod('b')];
    const tokens = of('tokens', 1_000, 700);
    await a.reserve('one', chain(tokens, slot(1)));
    expect((await b.reserve('two', chain(tokens, slot(1)))).chosen).toBe(-1);
    a.settle('one', { tokens: 100 });
    a.settle('one', { tokens: 0 });
    await until('settled', async () => (await usedOf(b, [tokens]))[0] === 100);
    expect((await b.reserve('three', chain(tokens, slot(1)))).chosen).toBe(0);
  });

  test('unsettled is what is asked for or held, and nothing once all is settled', async () => {
    const budgets = await pod('a');
    const counts = [budgets.unsettled()];
    const decisions = ['one', 'two', 'full'].map((id) => budgets.reserve(id, chain(slot(2))));
    counts.push(budgets.unsettled());
    await Promise.all(decisions);
    counts.push(budgets.unsettled());
    for (const id of ['one', 'full', 'two']) {
      budgets.settle(id, {});
      counts.push(budgets.unsettled());
    }
    expect(counts).toEqual([0, 3, 2, 1, 1, 0]);
  });

  test('a settle that comes before the answer is not lost, and is the only one', async () => {
    const budgets = await pod('a');
    const decision = budgets.reserve('one', chain(ask(10, 5), slot(1)));
    budgets.settle('one', { requests: 2 });
    budgets.settle('one', { requests: 0 });
    expect((await decision).chosen).toBe(0);
    await until('settled', async () => (await usedOf(budgets, [ask(10), slot(1)])).join() === '2,0');
  });

  test('not enforced: charged beyond the limit, and told what would have been', async () => {
    const budgets = await pod('a');
    const reserve = (id: string, enforce: boolean) => budgets.reserve(id, chain(ask(2, 2)), { enforce });
    expect(await reserve('one', false)).toMatchObject({ chosen: 0, would: null, by: 'redis' });
    const second = await reserve('two', false);
    expect(second).toMatchObject({ chosen: 0, would: { dimension: 'requests' }, levels: [{ used: 4, limit: 2 }] });
    expect(second.would!.waitMs).toBeGreaterThan(0);
    expect(await reserve('three', true)).toMatchObject({ chosen: -1, would: null });
  });

  test('SCRIPT FLUSH is healed unseen', async () => {
    const events: BudgetsEvent[] = [];
    const budgets = await pod('a', { onEvent: (event) => events.push(event) });
    await budgets.reserve('one', chain(ask(10)));
    for (let i = 0; i < 3; i += 1) {
      await fleet.redis('SCRIPT', 'FLUSH');
      expect(await budgets.reserve(`more-${i}`, chain(ask(10)))).toMatchObject({ chosen: 0, by: 'redis' });
    }
    expect(await usedOf(budgets, [ask(10)])).toEqual([4]);
    expect(budgets.state()).toMatchObject({ up: true, degraded: false, lastError: null });
    expect(events).toEqual([]);
  });

  test('a pause of this process is not taken for a slow Redis', async () => {
    const budgets = await pod('a', { timeoutMs: 20, intervals: STILL });
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
    await until('a connection', () => single.status === 'ready');
    await single.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
    await until('all slots', async () => /cluster_state:ok/.test(String(await single.call('CLUSTER', 'INFO'))));
    single.disconnect();
    const budgets = await createBudgets({
      redis: { cluster: { nodes: [`127.0.0.1:${node.port}`] } },
      timeoutMs: 1_000,
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
      const budgets = await createBudgets({ redis, keyPrefix: 'test', window: window(), pod: 'a', timeoutMs: 1_000 });
      answers.push([budgets.state().up, (await budgets.reserve('one', chain(ask(10)))).by]);
      expect(budgets.state().lastError ?? '').not.toContain('wrong@');
      await budgets.close();
    }
    expect(answers).toEqual([[true, 'redis'], [true, 'redis'], [false, 'process']]);
    await locked.stop();
  });
});
