/** A primary that is down, and two pods that share one Redis: what one learned costs the other nothing. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeWithRedis, startRedis, type RedisServer } from '../../support/redis.ts';
import { later, until, type Stack } from '../../support/stack.ts';
import { askHi, header, startFailover, take, type Got } from './support.ts';

const COUNT = 100;

describeWithRedis('two pods', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  async function twoPods(policy: object): Promise<[Stack, Stack]> {
    const config = { redis: { url: { env: 'REDIS_URL' }, timeout: '1s', keyPrefix: `pods${Math.random()}` } };
    const env = { REDIS_URL: redis.url };
    const first = await startFailover({ config, env, policy, sidecar: { pod: 'first', env: { PRIMARY_KEY: 'sk', ...env } } });
    const baseUrl = `${first.sim.url}/v1`;
    const models = { primary: { baseUrl }, backup: { baseUrl } };
    return [first, await startFailover({ config, policy, models, sidecar: { pod: 'second', env: { PRIMARY_KEY: 'sk', ...env } } })];
  }

  const toPrimary = ({ sim }: Stack): number => sim.log.filter(({ model }) => model === 'sim-primary').length;
  const overheads = (all: readonly Got[]): number[] => all.map((got) => Number(header(got, 'overhead-ms'))).toSorted((a, b) => a - b);

  test('an open breaker: no call of the primary in either, and no time', async () => {
    const [first, second] = await twoPods({});
    first.sim.faults.add({ model: 'sim-primary', reset: true, count: Infinity });
    for (let i = 0; i < 3; i++) expect(header(await take(first.client, askHi(), i % 2 === 0), 'model')).toBe('backup');
    await until(async () => (await first.metric('spillway_circuit_open', { model: 'primary' })) === 1, 'the breaker is open');
    const before = toPrimary(first);
    const shown: string[] = [];
    for (const [name, stack] of [['the pod that saw it', first], ['the other pod', second]] as const) {
      const direct: Got[] = [];
      const diverted: Got[] = [];
      for (let i = 0; i < COUNT; i++) {
        direct.push(await take(stack.client, { ...askHi(), model: 'backup' }, i % 2 === 0));
        diverted.push(await take(stack.client, askHi(), i % 2 === 0));
      }
      expect(new Set(diverted.map((got) => `${header(got, 'model')} ${header(got, 'reason')} ${header(got, 'attempts')}`))).toEqual(new Set(['backup circuit_open 1']));
      const [without, its] = [overheads(direct), overheads(diverted)];
      // Milliseconds where nothing else runs; a busy machine has hiccups.
      expect(its[COUNT / 2]).toBeLessThan(25);
      shown.push(`${name}: median ${its[COUNT / 2]} ms, p95 ${its[COUNT * 0.95]} ms of overhead; the fallback asked directly: ${without[COUNT / 2]} ms, ${without[COUNT * 0.95]} ms`);
    }
    expect(toPrimary(first)).toBe(before);
    process.stdout.write(`${shown.join('\n')}\n`);
  });

  test('a Retry-After, too; and one probe in both', async () => {
    const [first, second] = await twoPods({ breaker: { failures: 2, open: '700ms' } });
    first.sim.faults.add({ model: 'sim-primary', status: 429, headers: { 'retry-after-ms': '500' } });
    expect(header(await take(first.client, askHi(), true), 'model')).toBe('backup');
    expect(header(await take(second.client, askHi(), true), 'reason')).toBe('cooldown');
    await later(600);
    expect(header(await take(second.client, askHi(), true), 'model')).toBe('primary');
    first.sim.faults.add({ model: 'sim-primary', status: 500, delayMs: 300, count: 3 });
    await take(second.client, askHi(), true);
    expect(header(await take(first.client, askHi(), true), 'reason')).toBe('circuit_open');
    await later(750);
    const before = toPrimary(first);
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => take((i % 2 === 0 ? first : second).client, askHi(), true)));
    expect(all.map(({ how }) => how)).toEqual(Array(20).fill('whole'));
    expect(toPrimary(first)).toBe(before + 1);
  });
});
