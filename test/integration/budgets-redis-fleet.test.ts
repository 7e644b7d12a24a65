/** What the pods of a fleet know of each other through Redis: shares, leases, health, long calls. */
import { expect, test } from '@jest/globals';
import type { RedisBudgets } from '../../src/budgets/redis.ts';
import type { Actual, Candidate, Report } from '../../src/budgets/types.ts';
import { describeWithRedis } from '../support/redis.ts';
import { ask, chain, of, pods, QUICK, SHORT_LEASE, slot, until, usedOf } from './budgets-redis-pods.ts';

describeWithRedis('a fleet with budgets in Redis', () => {
  const fleet = pods();
  const { pod } = fleet;
  const intervals = { ...QUICK, podMs: 400 };

  const grants = async (): Promise<number[]> => ((await fleet.redis('HVALS', '{test}:grants')) as string[]).map(Number);

  test('I11: grants never come to more than the whole while pods join and leave, and are shared evenly in the end', async () => {
    const seen: number[] = [];
    const shared = (count: number) =>
      until(`${count} equal grants`, async () => {
        const now = await grants();
        seen.push(now.reduce((sum, one) => sum + one, 0));
        return now.length === count && now.every((one) => one === Math.floor(1e6 / count));
      });
    const first = await pod('a', { intervals });
    await shared(1);
    const more = [await pod('b', { intervals }), await pod('c', { intervals })];
    await shared(3);
    more.push(await pod('d', { intervals }), await pod('e', { intervals }));
    await shared(5);
    expect(first.state().pods).toBe(5);
    fleet.vanish(more[0]!);
    await shared(4);
    await fleet.close(more[1]!);
    await shared(3);
    expect(first.state().pods).toBe(3);
    expect(Math.max(...seen)).toBeLessThanOrEqual(1e6);
    expect(seen.length).toBeGreaterThan(5);
  });

  test('a pod that closes leaves at once; a beat keeps the slots of a live one far beyond their lease', async () => {
    const intervals = SHORT_LEASE;
    const [a, b] = [await pod('a', { intervals }), await pod('b', { intervals })];
    await a.reserve('held', chain(slot(1)));
    await until('two pods', () => a.state().pods === 2);
    const end = performance.now() + 3 * SHORT_LEASE.leaseMs;
    for (let i = 0; performance.now() < end; i += 1) {
      expect((await b.reserve(`other-${i}`, chain(slot(1)))).chosen).toBe(-1);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await fleet.close(a);
    await until('one pod', () => b.state().pods === 1);
    // Its slot was not settled: as if it had died.
    await until('its slot', async () => (await b.reserve(`again-${Math.random()}`, chain(slot(1)))).chosen === 0);
  });

  test('I5: a pod that is gone gives its slot back after the lease, and its money goes to what it told last', async () => {
    const short = { intervals: { ...intervals, leaseMs: SHORT_LEASE.leaseMs } };
    const [a, b] = [await pod('dies', short), await pod('b', short)];
    const asks = [ask(10), of('tokens', 1_000, 100), slot(1), of('cost_day', 10_000, 1_000), of('cost_month', 10_000, 1_000)];
    await a.reserve('stream', chain(...asks));
    a.follow('stream', () => ({ tokens: 40, cost_day: 300, cost_month: 300 }));
    const key = ['ZSCORE', '{test}:lease', 'stream'] as const;
    const lease = await fleet.redis(...key);
    // It is renewed, and what it costs is told, while its pod lives.
    await until('a renewal', async () => Number(await fleet.redis(...key)) > Number(lease));
    await until('two beats', () => b.state().pods === 2);
    expect(await usedOf(b, asks)).toEqual([1, 100, 1, 1_000, 1_000]);
    const at = performance.now();
    fleet.vanish(a);
    await until('the orphan', async () => (await usedOf(b, asks)).join() === '1,100,0,300,300');
    // A busy machine may be late; the usual lease is far longer.
    expect(performance.now() - at).toBeLessThan(QUICK.leaseMs / 2);
    expect((await b.reserve('next', chain(slot(1)))).chosen).toBe(0);
    await until('one pod', () => b.state().pods === 1);
  });

  const models = (budget: string): Candidate[] => [{ model: 'm', budget, asks: [] }];
  const healthOf = async (budgets: RedisBudgets) => (await budgets.usage({ budgets: new Map([['main', []]]), models: new Map([['m', 'main']]) })).health.get('m')!;
  /** Settled, and known to Redis. */
  async function settled(budgets: RedisBudgets, id: string, report: Report): Promise<void> {
    budgets.settle(id, {}, report);
    await until('the settle', async () => (await fleet.redis('HEXISTS', '{test}:rsv', id)) === 0);
  }

  test('a circuit that one pod opened is open for all; when its time is over one of all makes the probe', async () => {
    const all = [await pod('a'), await pod('b'), await pod('c')];
    const failed: Report = { kind: 'failed', failures: 2, windowMs: 60_000, openMs: 300 };
    for (const id of ['one', 'two']) {
      await all[0]!.reserve(id, models('main'));
      await settled(all[0]!, id, failed);
    }
    const refused = await all[1]!.reserve('early', models('main'));
    expect(refused).toMatchObject({ chosen: -1, by: 'redis', refusals: [{ dimension: 'circuit_open' }] });
    expect(refused.refusals[0]!.waitMs).toBeGreaterThan(0);
    expect((await healthOf(all[2]!)).circuit).toBe('open');

    let probes: { pod: RedisBudgets; id: string }[] = [];
    let round = 0;
    await until('a probe', async () => {
      round += 1;
      const decisions = await Promise.all(
        all.flatMap((one, p) => [0, 1, 2].map(async (n) => ({ pod: one, id: `${round}.${p}.${n}`, decision: await one.reserve(`${round}.${p}.${n}`, models('main')) }))),
      );
      const admitted = decisions.filter(({ decision }) => decision.chosen === 0);
      expect(admitted.length).toBeLessThanOrEqual(1);
      expect(admitted.every(({ decision }) => decision.probe)).toBe(true);
      probes = admitted;
      return admitted.length > 0;
    });
    for (const [p, one] of all.entries())
      expect(await one.reserve(`wait-${p}`, models('main'))).toMatchObject({ chosen: -1, refusals: [{ dimension: 'circuit_open', waitMs: 0 }] });
    expect((await healthOf(all[0]!)).circuit).toBe('half_open');
    // It need not end: a first word is enough, and all know it.
    const [{ pod: winner, id }] = probes as [(typeof probes)[0]];
    winner.report(id, { kind: 'ok' });
    await until('the report', async () => (await healthOf(winner)).circuit === 'returning');
    const other = all.find((one) => one !== winner)!;
    expect(await other.reserve('after', models('main'))).toMatchObject({ chosen: 0, probe: false });
  });

  test('a cooldown is seen by the other pod at its next decision', async () => {
    const [a, b] = [await pod('a'), await pod('b')];
    await a.reserve('one', chain(ask(10)));
    await settled(a, 'one', { kind: 'throttled', forMs: 30_000 });
    const [first] = [await b.reserve('two', [...chain(ask(10)), { model: 'other', budget: 'spare', asks: [ask(10)] }])];
    expect(first).toMatchObject({ chosen: 1, by: 'redis', refusals: [{ dimension: 'cooldown' }] });
    expect(first.refusals[0]!.waitMs).toBeGreaterThan(20_000);
    expect(first.refusals[0]!.waitMs).toBeLessThanOrEqual(30_000);
    expect((await healthOf(b)).cooldownMs).toBeGreaterThan(20_000);
  });

  test('I13: a long call is charged while it runs, for all to see, and settles exactly', async () => {
    const [a, b] = [await pod('a'), await pod('b')];
    const asks = [of('tokens', 1_000, 100), of('cost_day', 10_000, 500)];
    await a.reserve('stream', chain(...asks));
    let soFar: Actual = { tokens: 10, cost_day: 20 };
    a.follow('stream', () => soFar);
    for (const [tokens, cost, shown] of [[60, 400, '100,500'], [250, 900, '250,900'], [700, 2_500, '700,2500']] as const) {
      soFar = { tokens, cost_day: cost };
      await until(`charged ${shown}`, async () => (await usedOf(b, asks)).join() === shown);
    }
    expect((await b.reserve('large', chain(of('tokens', 1_000, 400)))).chosen).toBe(-1);
    a.settle('stream', { tokens: 720, cost_day: 2_600 });
    await until('settled', async () => (await usedOf(b, asks)).join() === '720,2600');
  });

  test('close() tells what lingers, and leaves', async () => {
    const [a, b] = [await pod('a'), await pod('b')];
    const asks = [ask(1_000), slot(1_000)];
    await Promise.all(Array.from({ length: 300 }, (_, i) => a.reserve(`id-${i}`, chain(...asks))));
    const late = a.reserve('late', chain(...asks));
    for (let i = 0; i < 300; i += 1) a.settle(`id-${i}`, { requests: i % 2 });
    void Promise.resolve(late).then(() => a.settle('late', { requests: 1 }));
    await fleet.close(a);
    expect(await usedOf(b, asks)).toEqual([151, 0]);
    await until('one pod', () => b.state().pods === 1);
    expect(await fleet.reservations()).toEqual([]);
  });

  test('close() waits for what was asked just now, and tells what it came to', async () => {
    const [a, b] = [await pod('a'), await pod('b')];
    const asks = [ask(1_000), slot(1_000)];
    const late = Promise.resolve(a.reserve('late', chain(...asks)));
    void late.then(() => a.settle('late', { requests: 1 }));
    await fleet.close(a);
    expect(await late).toMatchObject({ chosen: 0, by: 'redis' });
    expect(await usedOf(b, asks)).toEqual([1, 0]);
  });
});
