/** What the scripts leave in Redis, and answers that the model has none for. */
import { beforeAll, expect, test } from '@jest/globals';
import { createCommands, type Commands, type Op } from '../../src/budgets/commands.ts';
import { loadScripts } from '../../src/budgets/scripts.ts';
import type { Ask, Candidate, Decision, Dimension, Report } from '../../src/budgets/types.ts';
import { window } from '../../src/wire/window.ts';
import { emptiedRedis } from '../support/redis-emptied.ts';
import { describeWithRedis } from '../support/redis.ts';

const NOW = Date.UTC(2024, 1, 28, 23, 0);
const NEW = { id: 'epoch', learnMs: 0 };
const ask = (dimension: Dimension, limit: number, amount: number): Ask => ({ dimension, limit, amount });
const on = (...asks: Ask[]): Candidate[] => [{ model: 'm', budget: 'a', asks }];
const reserve = (id: string, candidates: readonly Candidate[]): Op => ({ kind: 'reserve', id, candidates, enforce: true });
const settle = (id: string, report?: Report): Op => ({ kind: 'settle', id, budgets: ['a'], actual: {}, report });

describeWithRedis('the scripts', () => {
  const redis = emptiedRedis();
  let commands: Commands;
  beforeAll(() => {
    const shape = { window: window(), leaseMs: 30_000, recordMs: 600_000 };
    commands = createCommands({ client: redis.client, scripts: loadScripts(), keyPrefix: 'x', ...shape });
  });
  const decide = async (id: string, candidates: readonly Candidate[], now = NOW) =>
    (await commands.apply([reserve(id, candidates)], '', now))[0] as Decision;
  const levels = async (asks: readonly Ask[], now = NOW) =>
    (await commands.usage({ budgets: new Map([['a', asks]]), models: new Map() }, now)).levels.get('a')!.map(({ used }) => used);

  test('what a script leaves goes away by itself', async () => {
    const asks = [ask('requests', 9, 1), ask('concurrency', 9, 1), ask('cost_day', 9, 1)];
    await commands.apply([reserve('one', on(...asks)), settle('one'), reserve('two', on(...asks))], '');
    await commands.beat('pod', 1_000, [{ id: 'two', slotOf: 'a' }], NEW);
    const keys = await redis.client.keys('*');
    expect(keys.sort()).toEqual(['c:a', 'grants', 'lease', 'm:a', 'pods', 'rsv', 'u:a'].map((name) => `{x}:${name}`));
    const ttl = Object.fromEntries(await Promise.all(keys.map(async (key) => [key.slice(4), await redis.client.pttl(key)] as const)));
    for (const left of Object.values(ttl)) expect(left).toBeGreaterThan(0);
    expect(ttl['m:a']).toBeGreaterThan(39 * 24 * 3_600_000);
    expect(ttl['u:a']).toBeLessThanOrEqual(600_000);
  });

  test('a cooldown outlives the rings', async () => {
    await commands.apply([reserve('one', on(ask('requests', 9, 1))), settle('one', { kind: 'throttled', forMs: 3_600_000 })], '', NOW);
    expect(await redis.client.pttl('{x}:u:a')).toBeGreaterThan(3_000_000);
    await commands.apply([{ kind: 'assert', budget: 'a', use: { rates: { tokens: [[0, 1]] }, costs: {}, slots: [] } }], '', NOW + 5_000);
    expect(await redis.client.pttl('{x}:u:a')).toBeGreaterThan(3_000_000);
  });

  test('I2: a refusal leaves every key as it was', async () => {
    const asks = [ask('requests', 2, 1), ask('concurrency', 9, 1), ask('cost_day', 9, 1)];
    await commands.apply([reserve('one', on(...asks)), reserve('two', on(...asks))], '', NOW);
    await commands.beat('pod', 1_000, [], NEW, NOW);
    const dump = async () => {
      const keys = (await redis.client.keys('*')).sort();
      return Promise.all(keys.map(async (key) => [key, (await redis.client.dumpBuffer(key))!.toString('hex')]));
    };
    const before = await dump();
    const refused = await commands.apply([reserve('three', on(...asks)), reserve('four', on(...asks))], '', NOW + 40_000);
    expect(refused).toMatchObject([{ chosen: -1 }, { chosen: -1 }]);
    expect(await dump()).toEqual(before);
  });

  test('a refund to rings that Redis lost and began anew never goes below zero', async () => {
    const tokens = (amount: number) => on(ask('tokens', 1_000, amount), ask('cost_day', 1_000, amount));
    await decide('one', tokens(900));
    await redis.client.del('{x}:u:a', '{x}:m:a');
    await decide('two', tokens(5));
    await commands.apply([{ kind: 'settle', id: 'one', budgets: ['a'], actual: { tokens: 0, cost_day: 0 } }], '', NOW);
    expect(await levels(tokens(0)[0]!.asks)).toEqual([0, 0]);
  });

  test('what does not name the charged budget does nothing', async () => {
    await decide('one', on(ask('requests', 9, 1)));
    const named = (budgets: string[]): Op => ({ kind: 'settle', id: 'one', budgets, actual: { requests: 0 } });
    expect(await commands.apply([named(['b']), named([])], '', NOW)).toEqual([false, false]);
    expect(await levels([ask('requests', 9, 0)])).toEqual([1]);
    expect(await commands.apply([named(['b', 'a']), named(['a'])], '', NOW)).toEqual([true, false]);
  });

  test('a replay that comes with other candidates answers what was decided, and harms no other answer', async () => {
    await decide('full', [{ model: 'n', budget: 'b', asks: [ask('tokens', 5, 5)] }]);
    const first = [{ model: 'n', budget: 'b', asks: [ask('requests', 9, 1), ask('tokens', 5, 5)] }, ...on(ask('requests', 9, 1))];
    expect(await decide('one', first)).toMatchObject({ chosen: 1, refusals: [{ dimension: 'tokens' }] });
    const [replay, other] = await commands.apply([reserve('one', on()), reserve('two', on(ask('requests', 9, 3)))], '', NOW);
    expect(replay).toMatchObject({ chosen: 1, replayed: true, levels: [] });
    expect(other).toMatchObject({ chosen: 0, levels: [{ used: 4 }] });
  });

  test('any number of operations, in order', async () => {
    expect(await commands.apply([], '')).toEqual([]);
    const asks = on(ask('requests', 600, 1), ask('concurrency', 600, 1));
    const ops = Array.from({ length: 700 }, (_, i) => reserve(`${i}`, asks));
    const decisions = (await commands.apply(ops, '', NOW)) as Decision[];
    expect(decisions.map(({ chosen }) => chosen)).toEqual(ops.map((_, i) => (i < 600 ? 0 : -1)));
    expect(decisions[599]!.levels.map(({ used }) => used)).toEqual([600, 600]);
    const mixed = ops.flatMap((op, i): Op[] => [settle(`${i}`), { ...op, id: `again ${i}` } as Op, settle(`again ${i}`)]);
    const results = await commands.apply(mixed, '', NOW + 70_000);
    expect(results.filter((_, i) => i % 3 === 0)).toEqual(ops.map((_, i) => i < 600));
    expect(results.filter((_, i) => i % 3 === 1)).toMatchObject(ops.map((_, i) => ({ chosen: i < 600 ? 0 : -1 })));
    expect(results.filter((_, i) => i % 3 === 2)).toEqual(ops.map((_, i) => i < 600));
  });

  const controls = String.fromCharCode(...Array.from({ length: 32 }, (_, i) => i), 127);
  test.each([
    ['quotes, separators and more', 'a,b\n:"%d\' é 漢 😀 \u2028]}'],
    ['backslashes', '\\ \\" \\\\ \\n \\u0041 \\ud800 \\'],
    ['control characters', controls],
    ['what looks like a number', '1e3'],
    ['nothing', ''],
  ])('ids and names may hold %s', async (_name, odd) => {
    const candidates = [{ model: odd, budget: odd, asks: [ask('requests', 9, 1)] }];
    const open: Report = { kind: 'failed', failures: 1, windowMs: 1, openMs: 10 };
    const about = (id: string, report: Report): Op => ({ kind: 'report', id, budgets: [odd], report });
    await commands.apply([reserve(odd, candidates), about(odd, open)], '', NOW);
    const probe = `probe ${odd}`;
    expect(await decide(probe, candidates, NOW + 10)).toMatchObject({ probe: true });
    expect((await redis.client.hkeys('{x}:rsv')).sort()).toEqual([odd, probe].sort());
    await commands.apply([about(odd, { kind: 'ok' }), about(probe, { kind: 'ok' })], '', NOW + 11);
    const { health } = await commands.usage({ budgets: new Map(), models: new Map([[odd, odd]]) }, NOW + 11);
    expect(health.get(odd)).toEqual({ circuit: 'returning', cooldownMs: 0 });
    expect((await commands.beat('pod', 1, [], NEW, NOW + 40_000)).orphans.map(({ budget }) => budget)).toEqual([odd, odd]);
  });

  test('half a character in a name is the same name to every script', async () => {
    const half = 'a\ud800b';
    const candidates = [{ model: half, budget: half, asks: [ask('requests', 9, 1), ask('concurrency', 9, 1)] }];
    const report: Report = { kind: 'throttled', forMs: 1_000 };
    await commands.apply([reserve(half, candidates), { kind: 'report', id: half, budgets: [half], report }, reserve('other', on())], '', NOW);
    expect(await redis.client.hkeys('{x}:rsv')).toEqual(expect.arrayContaining([half.toWellFormed(), 'other']));
    const { health } = await commands.usage({ budgets: new Map(), models: new Map([[half, half]]) }, NOW);
    expect(health.get(half)).toEqual({ circuit: 'closed', cooldownMs: 1_000 });
    await commands.beat('pod', 1_000, [{ id: half, slotOf: half }], NEW, NOW + 20_000);
    expect((await commands.beat('pod', 1_000, [], NEW, NOW + 40_000)).orphans.map(({ id }) => id)).toEqual(['other']);
  });

  test('figures up to 2^53 are exact', async () => {
    const most = 2 ** 53;
    const asks = on(ask('cost_month', most, 2 ** 50), ask('tokens', most, 2 ** 50));
    for (let i = 0; i < 7; i += 1) await decide(`${i}`, asks);
    await commands.apply([{ kind: 'settle', id: '0', budgets: ['a'], actual: { cost_month: 2 ** 50 - 1, tokens: 2 ** 50 - 1 } }], '', NOW);
    expect(await levels(asks[0]!.asks)).toEqual([7 * 2 ** 50 - 1, 7 * 2 ** 50 - 1]);
    expect(await decide('more', on(ask('cost_month', 7 * 2 ** 50, 2)))).toMatchObject({ chosen: -1 });
    expect(await decide('more', on(ask('cost_month', 7 * 2 ** 50, 1)))).toMatchObject({ chosen: 0 });
  });

  test('2^53 - 1 arrives as it is, and comes back so', async () => {
    const most = 2 ** 53 - 1;
    const part = 2 ** 50;
    const of = (amount: number) => on(ask('cost_day', most, amount), ask('tokens', most, amount));
    const eighth = (id: string): Op => ({ kind: 'assert', budget: 'a', use: { rates: { tokens: [[0, part]] }, costs: { cost_day: part }, slots: [id] } });
    await commands.apply(['1', '2', '3', '4', '5', '6'].map(eighth), '', NOW);
    await decide('seven', of(1));
    await commands.apply([{ kind: 'extend', id: 'seven', budgets: ['a'], actual: { cost_day: part, tokens: part } }], '', NOW);
    const full = [{ limit: most, used: most }, { limit: most, used: most }];
    expect(await decide('eight', of(part - 1))).toMatchObject({ chosen: 0, levels: full });
    expect(await decide('eight', of(part - 1))).toMatchObject({ chosen: 0, levels: full, replayed: true });
    expect(await decide('nine', of(1))).toMatchObject({ chosen: -1 });
    const settled = { cost_day: part - 2, tokens: part - 2 };
    await commands.apply([{ kind: 'settle', id: 'eight', budgets: ['a'], actual: settled }], '', NOW);
    expect(await decide('nine', of(1))).toMatchObject({ chosen: 0, levels: full });
  });

  test('waits and cooldowns of 15 digits and more are exact', async () => {
    const forMs = 2 ** 50 - 1;
    await commands.apply([reserve('one', on()), settle('one', { kind: 'throttled', forMs })], '', NOW);
    const refused = { chosen: -1, refusals: [{ dimension: 'cooldown', waitMs: forMs }] };
    expect(await decide('two', on())).toMatchObject(refused);
    expect(await decide('two', on(), NOW + 1)).toMatchObject({ refusals: [{ waitMs: forMs - 1 }] });
  });

  test('months end when they do, from 1970 to 2200', async () => {
    const use = { rates: {}, costs: { cost_month: 1 }, slots: [] };
    const one = reserve('one', on(ask('cost_month', 1, 1)));
    const ends: (readonly [now: number, end: number])[] = [];
    for (let year = 1970; year <= 2200; year += 1)
      for (let month = 0; month < 12; month += 1) {
        const end = Date.UTC(year, month + 1);
        ends.push([Math.max(1, Date.UTC(year, month)), end], [end - 1, end]);
      }
    const answers = ends.map(([now]) => commands.apply([{ kind: 'assert', budget: 'a', use }, one], '', now));
    const waits = (await Promise.all(answers)).map(([, decision]) => (decision as Decision).refusals[0]?.waitMs);
    expect(waits).toEqual(ends.map(([now, end]) => end - now));
  });

  test('what is remembered of failures stays as long as it is of use, however little else happens', async () => {
    const failed = (windowMs: number, openMs: number): Report => ({ kind: 'failed', failures: 9, windowMs, openMs });
    const asks = on(ask('requests', 9, 1));
    const left = async (): Promise<number> => (await redis.client.pttl('{x}:u:a')) / 3_600_000;
    await commands.apply([reserve('one', asks), settle('one', failed(60_000, 2 * 3_600_000))], '');
    expect(await left()).toBeGreaterThan(2);
    // What comes later takes nothing of it back.
    await commands.apply([reserve('two', asks), settle('two'), reserve('three', asks), settle('three', failed(60_000, 60_000))], '', Date.now() + 2_000);
    expect(await left()).toBeGreaterThan(2);
    await commands.apply([reserve('four', asks), settle('four', failed(3 * 3_600_000, 60_000))], '');
    expect(await left()).toBeGreaterThan(3);
    expect(await left()).toBeLessThan(3.5);
  });

  test('Redis in its own time: costs of this day, and a Redis that is full decides nothing', async () => {
    const [decision] = (await commands.apply([reserve('one', on(ask('cost_day', 9, 1)))], '')) as [Decision];
    expect(decision.levels[0]!.resetMs).toBeLessThanOrEqual(24 * 3_600_000);
    await redis.client.config('SET', 'maxmemory', '1');
    try {
      for (const asks of [on(ask('requests', 9, 1)), on(ask('concurrency', 9, 1)), on(ask('cost_day', 9, 1)), on()])
        await expect(commands.apply([reserve('two', asks)], '')).rejects.toThrow(/OOM/);
    } finally {
      await redis.client.config('SET', 'maxmemory', '0');
    }
    expect(await commands.apply([settle('two')], '')).toEqual([false]);
  });

  test('another epoch, or one that is learning, reserves nothing; the rest is done', async () => {
    const { epoch } = await commands.beat('pod', 1_000, [], { id: 'first', learnMs: 2_000 }, NOW);
    expect(epoch).toBe('first');
    expect(await commands.beat('other', 1_000, [], NEW, NOW + 500)).toMatchObject({ epoch: 'first', learningMs: 1_500 });
    const assert: Op = { kind: 'assert', budget: 'a', use: { rates: { requests: [[0, 3]] }, costs: {}, slots: ['x'] } };
    const one = reserve('one', on(ask('requests', 9, 1)));
    expect(await commands.apply([one, assert, settle('one')], 'first', NOW + 1_999)).toEqual(['learning', true, false]);
    expect(await commands.apply([one], 'second', NOW + 2_000)).toEqual(['other_epoch']);
    expect(await commands.apply([one], 'first', NOW + 2_000)).toMatchObject([{ chosen: 0, levels: [{ used: 4 }] }]);
    await redis.client.del('{x}:rsv');
    expect(await commands.apply([one], 'first', NOW + 2_000)).toEqual(['other_epoch']);
    expect(await commands.apply([one], '', NOW + 2_000)).toMatchObject([{ chosen: 0 }]);
  });
});
