import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { clusterOptions, redisOptions, secretsOf } from '../../../src/budgets/client.ts';
import { safeMessage } from '../../../src/budgets/safe-message.ts';
import { loadScripts, resolveIncludes } from '../../../src/budgets/scripts.ts';
import { shareOf } from '../../../src/budgets/shares.ts';
import { SortedSet } from '../../../src/budgets/sorted.ts';
import { within, type Timers } from '../../../src/budgets/timers.ts';

const middling = () => 0.5;

test('a sorted set is ordered by score, then by name; what a member holds moves with it', () => {
  const operation = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.nat(6), fc.constantFrom('add', 'delete'));
  fc.assert(
    fc.property(fc.array(operation), fc.nat(6), fc.nat(4), (operations, score, most) => {
      const set = new SortedSet<number>();
      const plain = new Map<string, readonly [score: number, value: number]>();
      for (const [i, [member, its, what]] of operations.entries()) {
        if (what === 'add') set.add(member, its, i);
        else expect(set.delete(member)).toBe(plain.has(member));
        if (what === 'add') plain.set(member, [its, i]);
        else plain.delete(member);
      }
      const order = [...plain].sort((a, b) => a[1][0] - b[1][0] || (a[0] < b[0] ? -1 : 1));
      expect([...set]).toEqual(order.map(([member, [, value]]) => [member, value]));
      for (const [member, [its, value]] of order) expect([set.score(member), set.get(member)]).toEqual([its, value]);
      expect(set.countAbove(score)).toBe(order.filter(([, [its]]) => its > score).length);
      const due = order.filter(([, [its]]) => its <= score).map(([member]) => member);
      expect(set.upTo(score, most)).toEqual(due.slice(0, most));
      set.dropUpTo(score, most);
      expect(set.upTo(Infinity)).toEqual(order.map(([member]) => member).filter((m) => !due.slice(0, most).includes(m)));
      set.dropUpTo(Infinity);
      expect(set.size).toBe(0);
    }),
  );
});

test('the shares of all pods are at most the limit, but for limits below the number of pods', () => {
  expect(shareOf(100, 1 / 3)).toBe(33);
  expect(shareOf(2, 1 / 3)).toBe(1);
  expect(shareOf(5, 1)).toBe(5);
  // Nothing is granted yet: the others have it all.
  expect(shareOf(5, 0)).toBe(1);
});

test('scripts are complete and say what they take', () => {
  for (const text of Object.values(loadScripts())) {
    expect(text).toContain('local function many');
    expect(text).not.toMatch(/@include|^ *--/m);
  }
  expect(() => resolveIncludes('--- @include "other"', {})).toThrow(/other/);
});

test('secrets are taken out of errors', () => {
  const settings = { url: 'redis://user:p%40ss@host/3' };
  expect(secretsOf(settings)).toEqual(['p%40ss', 'p@ss']);
  const secrets = secretsOf(settings);
  expect(safeMessage({ message: "unknown command 'AUTH', with args: 'p@ss'" }, secrets)).not.toContain('p@ss');
  expect(safeMessage({ message: 'cannot reach redis://user:other@host' }, [])).toBe('cannot reach redis://***@host');
  expect(safeMessage({ message: '', code: 'ECONNREFUSED' }, [])).toBe('ECONNREFUSED');
  expect(safeMessage(null, [])).toBe('unknown error');
  expect(() => redisOptions({ url: 'no url with p@ss' }, middling)).toThrow(/^the Redis url cannot be read$/);
});

test('settings become ioredis options', () => {
  expect(redisOptions({ url: 'rediss://me:s%2Fecret@[::1]:7000/4', tls: { ca: 'PEM' } }, middling)).toMatchObject({
    host: '::1',
    port: 7000,
    db: 4,
    username: 'me',
    password: 's/ecret',
    tls: { ca: 'PEM' },
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
  });
  const sentinel = { name: 'main', nodes: ['a:26379', '[::1]:26380'] };
  expect(redisOptions({ sentinel, db: 1 }, middling)).toMatchObject({
    name: 'main',
    db: 1,
    sentinels: [
      { host: 'a', port: 26379 },
      { host: '::1', port: 26380 },
    ],
  });
  expect(clusterOptions({ cluster: { nodes: [] }, password: 'x' }, middling).redisOptions).toMatchObject({ password: 'x' });
  const { retryStrategy } = redisOptions({}, () => 1);
  expect([1, 2, 3, 50].map((times) => retryStrategy!(times))).toEqual([100, 200, 400, 450]);
  expect(redisOptions({}, () => 0).retryStrategy!(50)).toBe(50);
});

test('an answer that was waiting on the socket when the time came wins over the time-out', async () => {
  const due: (() => void)[] = [];
  const later = (run: () => void) => void due.push(run);
  const timers: Timers = { after: (_ms, run) => (later(run), () => undefined), afterReading: later };
  const answered = Promise.withResolvers<string>();
  const work = within(answered.promise, 50, timers, () => 0);
  due.shift()!();
  answered.resolve('there');
  await answered.promise;
  due.shift()!();
  expect(await work).toBe('there');

  const silent = within(Promise.withResolvers<string>().promise, 50, timers, () => 0);
  due.shift()!();
  due.shift()!();
  await expect(silent).rejects.toThrow(/no answer from Redis within 50 ms/);
});

test('a machine that stood still gives Redis its time once more, and only once', async () => {
  const due: (() => void)[] = [];
  const waits: number[] = [];
  const timers: Timers = { after: (ms, run) => (waits.push(ms), due.push(run), () => undefined), afterReading: (run) => run() };
  let now = 0;
  const work = within(Promise.withResolvers<string>().promise, 50, timers, () => now);
  now = 500;
  due.shift()!();
  expect(waits).toEqual([50, 50]);
  now = 5_000;
  due.shift()!();
  await expect(work).rejects.toThrow(/no answer/);
});
