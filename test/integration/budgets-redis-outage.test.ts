/** The Redis engine while Redis is away, slow, or was emptied; and what Redis holds when it is back. */
import { expect, test } from '@jest/globals';
import type { BudgetsEvent } from '../../src/budgets/link.ts';
import type { RedisBudgets, RedisBudgetsOptions } from '../../src/budgets/redis.ts';
import { realTimers } from '../../src/budgets/timers.ts';
import type { Actual, Decision } from '../../src/budgets/types.ts';
import { describeWithRedis } from '../support/redis.ts';
import { ask, chain, of, pods, QUICK, SHORT_LEASE, slot, until, usedOf } from './budgets-redis-pods.ts';

/** For a Redis that does not answer: a request that waited for it would be seen, whatever else the machine does. */
const ENDLESS_MS = 2_000;

describeWithRedis('budgets while Redis is away', () => {
  const fleet = pods();
  const pod = (name: string, more: Partial<RedisBudgetsOptions> = {}) => fleet.pod(name, { timeoutMs: 100, ...more });

  const pause = (ms: number) =>
    new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
  const byRedis = async (budgets: RedisBudgets) => (await budgets.reserve(`look-${Math.random()}`, [{ model: 'm', budget: 'none', asks: [] }])).by === 'redis';
  const allByRedis = (all: readonly RedisBudgets[]) =>
    until('Redis decides', async () => (await Promise.all(all.map(byRedis))).every(Boolean));
  const lastBeats = async () => Promise.all(['a', 'b'].map(async (name) => Number(await fleet.redis('ZSCORE', '{test}:pods', name))));
  /** Two that know of each other, and that the limit is theirs by halves. */
  async function two(more: Partial<RedisBudgetsOptions> = {}): Promise<[RedisBudgets, RedisBudgets]> {
    const both = [await pod('a', more), await pod('b', more)] as const;
    await until('two equal grants', async () => {
      const grants = (await fleet.redis('HVALS', '{test}:grants')) as string[];
      return both.every((one) => one.state().pods === 2) && grants.join() === '500000,500000';
    });
    // The beat that brings the second of them its half, and the next one, which follows its answer.
    for (let i = 0; i < 2; i += 1) {
      const before = await lastBeats();
      await until('both beat', async () => (await lastBeats()).every((at, one) => at > before[one]!));
    }
    return [...both];
  }

  test('I12: Redis stands still: one request waits for the time-out, the next do not; nothing is charged twice', async () => {
    const events: BudgetsEvent[] = [];
    const budgets = await pod('a', { timeoutMs: 60, onEvent: (event) => events.push(event), intervals: { ...QUICK, beatMs: 60_000, retryMs: 500 } });
    await budgets.reserve('before', chain(ask(100, 10), slot(100)));
    fleet.server.pause();
    const started = performance.now();
    const first = await budgets.reserve('first', chain(ask(100, 10), slot(100)));
    const waited = performance.now() - started;
    expect(waited).toBeGreaterThan(50);
    expect(waited).toBeLessThan(ENDLESS_MS / 2);
    expect(first).toMatchObject({ by: 'process' });
    const waits: number[] = [];
    for (let i = 0; i < 20; i += 1) {
      const at = performance.now();
      expect(await budgets.reserve(`away-${i}`, chain(ask(1_000)))).toMatchObject({ by: 'process' });
      waits.push(performance.now() - at);
    }
    expect(waits.toSorted((x, y) => x - y)[15]).toBeLessThan(5);
    const alone = (await usedOf(budgets, [ask(1_000)]))[0]!;
    budgets.settle('before', { requests: 4 });
    expect(budgets.state()).toMatchObject({ up: false, degraded: true });
    fleet.server.resume();
    await until('Redis is back', () => budgets.state().up);
    await allByRedis([budgets]);
    // The ghost of `first` was given back, the settle of `before` arrived, and what was decided alone is there.
    await until('all is told', async () => (await usedOf(budgets, [ask(100)]))[0] === alone - 6);
    expect((await usedOf(budgets, [slot(100)]))[0]).toBe(first.chosen === 0 ? 1 : 0);
    expect(events.map(({ kind }) => kind)).toEqual(['degraded', 'recovered']);
    // A local id is known locally still.
    expect(await budgets.reserve('away-0', chain(ask(1_000)))).toMatchObject({ by: 'process', replayed: true });
  });

  test('I12: CLIENT PAUSE: all that are asked at once wait for the time-out at most, the next not at all', async () => {
    const budgets = await pod('a', { timeoutMs: 60, intervals: { ...QUICK, beatMs: 60_000, retryMs: 200 } });
    const waits: number[] = [];
    const decide = async (id: string): Promise<void> => {
      const at = performance.now();
      const { by } = await budgets.reserve(id, chain(ask(1e6)));
      if (by === 'process') waits.push(performance.now() - at);
    };
    await decide('before');
    await fleet.redis('CLIENT', 'PAUSE', ENDLESS_MS, 'ALL');
    await Promise.all(Array.from({ length: 20 }, (_, i) => decide(`at-once-${i}`)));
    expect(waits).toHaveLength(20);
    expect(Math.max(...waits)).toBeLessThan(ENDLESS_MS / 2);
    waits.length = 0;
    for (let i = 0; i < 50; i += 1) await decide(`later-${i}`);
    expect(waits).toHaveLength(50);
    expect(waits.toSorted((x, y) => x - y)[40]).toBeLessThan(5);
    await allByRedis([budgets]);
    await until('every one of them, once', async () => (await usedOf(budgets, [ask(1e6)]))[0] === 71);
  });

  test('I12: what has not left when Redis is given up is decided at once, and settled as it was said meanwhile', async () => {
    let isHeld = false;
    const held: (() => void)[] = [];
    const afterReading = (run: () => void) => void (isHeld ? held.push(run) : setImmediate(run));
    const budgets = await pod('a', { timers: { ...realTimers, afterReading }, intervals: { ...QUICK, beatMs: 60_000, retryMs: 60_000 } });
    fleet.server.pause();
    const first = budgets.reserve('first', chain(ask(100), slot(100)));
    await new Promise(setImmediate);
    isHeld = true;
    const waiting = ['second', 'third'].map((id) => budgets.reserve(id, chain(ask(100), slot(100))));
    isHeld = false;
    budgets.settle('second', { requests: 0 });
    expect(await first).toMatchObject({ chosen: 0, by: 'process' });
    // What Redis does not answer would be waited for longer than this.
    const longer = new Promise((resolve) => {
      setImmediate(() => setImmediate(resolve, 'longer'));
    });
    for (const run of held) run();
    for (const one of waiting) expect(await Promise.race([one, longer])).toMatchObject({ chosen: 0, by: 'process' });
    expect(await usedOf(budgets, [ask(100), slot(100)])).toEqual([2, 2]);
  });

  test('Redis is killed: the share applies at once, own use counts; Redis returns empty: it is told all and decides again', async () => {
    const [a, b] = await two();
    for (let i = 0; i < 30; i += 1) await a.reserve(`up-${i}`, chain(ask(100)));
    await fleet.server.kill();
    await until('it is seen', () => !a.state().up && !b.state().up);
    const admitted: Decision[] = [];
    for (let i = 0; i < 60; i += 1) admitted.push(await a.reserve(`down-${i}`, chain(ask(100))));
    // Half of 100, of which 30 were used through Redis.
    expect(admitted.filter(({ chosen }) => chosen === 0)).toHaveLength(20);
    expect(admitted.every(({ by }) => by === 'process')).toBe(true);
    expect(await a.reserve('large', chain(ask(100, 80)))).toMatchObject({ chosen: -1, refusals: [{ waitMs: 0 }] });
    expect(await a.reserve('huge', chain(ask(100, 101)))).toMatchObject({ chosen: -1, refusals: [{ waitMs: -1 }] });
    a.settle('up-0', { requests: 0 });
    a.settle('down-0', { requests: 0 });
    await fleet.server.restart();
    await until('it is back', () => a.state().up && b.state().up);
    await allByRedis([a, b]);
    expect(await usedOf(b, [ask(100)])).toEqual([48]);
    expect(await a.reserve('back', chain(ask(100)))).toMatchObject({ chosen: 0, by: 'redis', levels: [{ used: 49 }] });
    // Told once, not at every beat.
    await pause(4 * QUICK.beatMs);
    expect(await usedOf(b, [ask(100)])).toEqual([49]);
  });

  test('I14: Redis is emptied under load: no pod exceeds its share meanwhile, all of it is back before Redis decides, to the limit exactly', async () => {
    // How long Redis learns, and then each gets to tell before any asks: longer than a busy machine stands still.
    const both = await two({ timeoutMs: 1_000, intervals: { ...QUICK, beatMs: 500, retryMs: 3_000 } });
    const asks = [of('tokens', 10_000, 100), slot(50), of('cost_day', 1e9, 1_000)];
    let soFar: Actual = { tokens: 50, cost_day: 10 };
    for (const [i, one] of both.entries()) {
      await one.reserve(`stream-${i}`, chain(...asks));
      one.follow(`stream-${i}`, () => soFar);
      for (let n = 0; n < 15; n += 1) await one.reserve(`before-${i}.${n}`, chain(ask(100)));
    }
    soFar = { tokens: 400, cost_day: 5_000 };
    await until('the streams are charged', async () => (await usedOf(both[0], asks)).join() === '800,2,10000');

    const emptiedAt = performance.now();
    await fleet.redis('FLUSHALL');
    let admitted = 30;
    let backAfter = 0;
    const met = { redis: 0, process: 0 };
    for (let n = 0; met.redis < 60 && n < 2_000; n += 1) {
      for (const [i, one] of both.entries()) {
        const decision = await one.reserve(`after-${i}.${n}`, chain(ask(100)));
        if (decision.chosen === 0) admitted += 1;
        met[decision.by] += 1;
        expect(admitted).toBeLessThanOrEqual(100);
        if (decision.by !== 'redis' || backAfter > 0) continue;
        backAfter = performance.now() - emptiedAt;
        // When it decides for the first time, nothing is missing but what the other decided a millisecond ago.
        expect(decision.levels[0]?.used ?? 100).toBeGreaterThanOrEqual(admitted - 2);
        expect(decision.levels[0]?.used ?? 100).toBeLessThanOrEqual(admitted);
      }
      // Each has taken its share before Redis decides: who still decided alone would be counted a moment late.
      if (n > 40) await pause(3);
    }
    expect(met.process).toBeGreaterThan(0);
    expect(met.redis).toBeGreaterThanOrEqual(60);
    expect(admitted).toBe(100);
    await until('the streams are told again', async () => (await usedOf(both[1], asks)).join() === '800,2,10000');
    both[0].settle('stream-0', { tokens: 450, cost_day: 6_000 });
    both[1].settle('stream-1', { tokens: 20, cost_day: 100 });
    await until('they settle exactly', async () => (await usedOf(both[1], asks)).join() === '470,0,6100');
    expect(await usedOf(both[0], [ask(100)])).toEqual([100]);
  });

  test('I14: use that is over is back within one beat of each pod', async () => {
    const beatMs = 800;
    const both = await two({ intervals: { ...QUICK, beatMs } });
    for (const [i, one] of both.entries()) {
      for (let n = 0; n < 15; n += 1) await one.reserve(`${i}.${n}`, chain(ask(100)));
      for (let n = 0; n < 15; n += 1) one.settle(`${i}.${n}`, { requests: 1 });
    }
    await until('settled', async () => (await fleet.reservations()).length === 0);
    const emptiedAt = performance.now();
    await fleet.redis('FLUSHALL');
    await until('all of it', async () => (await usedOf(both[0], [ask(100)]))[0] === 30);
    // A beat, a moment for the tell, and what a busy machine takes: not a second beat.
    expect(performance.now() - emptiedAt).toBeLessThan(2 * beatMs - 100);
  });

  test('a slot is still held after an outage longer than its lease, and its call settles', async () => {
    const [a, b] = await two({ intervals: SHORT_LEASE });
    await a.reserve('held', chain(slot(1), of('cost_day', 1e6, 100)));
    expect((await b.reserve('full', chain(slot(1)))).chosen).toBe(-1);
    fleet.server.pause();
    await until('it is seen', () => !a.state().up && !b.state().up);
    await pause(2 * SHORT_LEASE.leaseMs);
    fleet.server.resume();
    let tries = 0;
    await until('Redis decides again', async () => {
      const decision = await b.reserve(`try-${(tries += 1)}`, chain(slot(1)));
      expect(decision.chosen).toBe(-1);
      return decision.by === 'redis';
    });
    a.settle('held', { cost_day: 60 });
    await until('settled', async () => (await usedOf(b, [slot(1), of('cost_day', 1e6, 1)])).join() === '0,60');
  });

  test('beats that were refused renew nothing: the first one that is heard does', async () => {
    const budgets = await pod('a', { intervals: { ...QUICK, leaseMs: 6_000 } });
    await budgets.reserve('held', chain(slot(1)));
    const lease = async () => Number(await fleet.redis('ZSCORE', '{test}:lease', 'held'));
    const before = await lease();
    await fleet.redis('CONFIG', 'SET', 'maxmemory-policy', 'noeviction', 'maxmemory', '1');
    // A third of the lease has passed: had a refused beat counted, the next were due a third later.
    await pause(2_300);
    expect([budgets.state().up, await lease()]).toEqual([false, before]);
    await fleet.redis('CONFIG', 'SET', 'maxmemory', '0');
    await until('it is renewed', async () => (await lease()) > before, 1_500);
  });

  test('what was on its way when Redis went away, and came back empty, is counted once', async () => {
    const budgets = await pod('a', { intervals: { ...QUICK, beatMs: 200, retryMs: 500 } });
    await budgets.reserve('before', chain(ask(1_000)));
    fleet.server.pause();
    await until('it is seen', () => !budgets.state().up);
    fleet.server.resume();
    await until('it is back', () => budgets.state().up);
    // Back, and not deciding yet: what is decided is told at once.
    fleet.server.pause();
    for (const id of ['over', 'live']) expect(await budgets.reserve(id, chain(ask(1_000), slot(1_000)))).toMatchObject({ chosen: 0, by: 'process' });
    budgets.settle('over', { requests: 1 });
    await pause(20);
    await fleet.server.kill();
    await fleet.server.restart();
    await until('it is back', () => budgets.state().up);
    await allByRedis([budgets]);
    await until('all is told', async () => (await usedOf(budgets, [slot(10)]))[0] === 1);
    expect(await usedOf(budgets, [ask(1_000)])).toEqual([3]);
  });

  test('closed: without Redis nothing passes; open: everything does, is counted, and told', async () => {
    const closed = await pod('a', { whenRedisIsDown: 'closed' });
    const open = await pod('b', { whenRedisIsDown: 'open' });
    const its = chain(ask(2));
    for (const [i, one] of [closed, open].entries()) expect(await one.reserve(`up-${i}`, its)).toMatchObject({ chosen: 0, by: 'redis' });
    expect(await open.reserve('full', its)).toMatchObject({ chosen: -1, by: 'redis' });
    fleet.server.pause();
    await until('it is seen', () => !closed.state().up && !open.state().up);
    expect(await closed.reserve('no', its)).toMatchObject({ chosen: -1, by: 'process', refusals: [{ dimension: 'requests', waitMs: 0 }] });
    for (let i = 0; i < 5; i += 1) expect(await open.reserve(`down-${i}`, its)).toMatchObject({ chosen: 0, by: 'process', would: null });
    fleet.server.resume();
    await allByRedis([closed, open]);
    expect(await usedOf(closed, [ask(2)])).toEqual([7]);
    expect(await open.reserve('again', its)).toMatchObject({ chosen: -1, by: 'redis' });
  });

  test('close() right after Redis is back tells what was decided alone', async () => {
    const [a, b] = await two();
    const asks = [ask(1_000), slot(1_000)];
    await a.reserve('told', chain(...asks));
    fleet.server.pause();
    await until('it is seen', () => !a.state().up && !b.state().up);
    for (let i = 0; i < 20; i += 1) expect(await a.reserve(`alone-${i}`, chain(...asks))).toMatchObject({ chosen: 0, by: 'process' });
    for (let i = 0; i < 20; i += 1) a.settle(`alone-${i}`, { requests: 1 });
    a.settle('told', { requests: 1 });
    fleet.server.resume();
    await until('it is back', () => a.state().up && b.state().up);
    await fleet.close(a);
    expect(await usedOf(b, asks)).toEqual([21, 0]);
  });

  test('a Redis that refuses writes is away, and traffic goes on', async () => {
    const budgets = await pod('a');
    await fleet.redis('CONFIG', 'SET', 'maxmemory-policy', 'noeviction', 'maxmemory', '1');
    await until('it is away', async () => (await budgets.reserve('one', chain(ask(10)))).by === 'process');
    expect(await budgets.reserve('one', chain(ask(10)))).toMatchObject({ chosen: 0 });
    expect(budgets.state().lastError).toMatch(/OOM/);
    await fleet.redis('CONFIG', 'SET', 'maxmemory', '0');
    await until('it is back', () => budgets.state().up);
    await allByRedis([budgets]);
    await until('it is told', async () => (await usedOf(budgets, [ask(10)]))[0] === 1);
  });
});
