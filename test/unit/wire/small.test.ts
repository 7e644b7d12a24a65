import { describe, expect, jest, test } from '@jest/globals';
import { formatAddress, parseAddress } from '../../../src/wire/address.ts';
import { parseByteSize } from '../../../src/wire/byte-size.ts';
import { CoarseTimer } from '../../../src/wire/coarse-timer.ts';
import { goDuration } from '../../../src/wire/go-duration.ts';
import { HeldBytes } from '../../../src/wire/held-bytes.ts';
import { REASONS, statusOf } from '../../../src/wire/reasons.ts';

test.each([
  [0, '0s'],
  [0.2, '1ms'],
  [120, '120ms'],
  [1000, '1s'],
  [1500, '1.5s'],
  [360_000, '6m0s'],
  [3_723_004, '1h2m3.004s'],
])('goDuration(%d) is %s, as OpenAI writes it', (ms, text) => {
  expect(goDuration(ms)).toBe(text);
});

test.each([
  ['127.0.0.1:4000', { host: '127.0.0.1', port: 4000 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  ['localhost:65535', { host: 'localhost', port: 65_535 }],
])('an address: %s', (text, address) => {
  expect(parseAddress(text)).toEqual(address);
  expect(formatAddress(address)).toBe(text);
});

test.each(['', '4000', ':4000', '::1:4000', 'a:65536', 'a:b', '[::1]', 'a b:1'])('no address: %j', (text) => {
  expect(parseAddress(text)).toBeUndefined();
});

test.each([
  ['64MB', 67_108_864],
  ['512kb', 524_288],
  ['10', 10],
  ['1 GB', 1_073_741_824],
  ['-1', undefined],
  ['1TB', undefined],
  ['', undefined],
])('a size: %j', (text, bytes) => {
  expect(parseByteSize(text)).toBe(bytes);
});

test('held bytes: what would be too much is not taken at all', () => {
  const held = new HeldBytes(10);
  expect([held.take(6), held.take(5), held.take(4)]).toEqual([true, false, true]);
  held.give(6);
  expect([held.used, held.take(7), held.take(6)]).toEqual([4, false, true]);
});

describe('the coarse timer', () => {
  test('expires once what is due, and what is re-armed not before its new time', () => {
    let now = 0;
    const timer = new CoarseTimer(() => now);
    const first = { at: 10, place: -1, expire: jest.fn() };
    const second = { at: 10, place: -1, expire: jest.fn() };
    timer.add(first);
    timer.add(second);
    second.at = 20;
    now = 15;
    timer.tick();
    timer.tick();
    expect([first.expire.mock.calls.length, second.expire.mock.calls.length]).toEqual([1, 0]);
    now = 20;
    timer.tick();
    expect(second.expire).toHaveBeenCalledTimes(1);
    timer.remove(first);
    timer.remove(second);
  });
});

test('the coarse timer forgets exactly what is removed, in whatever order', () => {
  let now = 0;
  const timer = new CoarseTimer(() => now);
  const expired: string[] = [];
  const deadlines = ['a', 'b', 'c', 'd'].map((name) => ({ at: 10, place: -1, expire: (): void => void expired.push(name) }));
  const [a, b, c, d] = deadlines as [typeof deadlines[0], typeof deadlines[0], typeof deadlines[0], typeof deadlines[0]];
  for (const deadline of [a, b, c, d, b]) timer.add(deadline);
  timer.remove(a);
  timer.remove(a);
  timer.remove(c);
  now = 10;
  timer.tick();
  expect(expired.toSorted()).toEqual(['b', 'd']);
  for (const deadline of deadlines) timer.remove(deadline);
});

describe('the status when nothing can serve follows the contract', () => {
  test.each([
    [['budget_requests', 'rate_limited', 'budget_cost'], 429],
    [['budget_requests', 'server_error'], 502],
    [['context_window', 'server_error'], 400],
    [['content_policy'], 400],
    [['untranslatable', 'budget_requests'], 400],
    [['timeout', 'overloaded'], 504],
    [['overloaded'], 503],
    [['cooldown'], 503],
    [['circuit_open', 'rate_limited'], 503],
    [['auth'], 502],
    [['connection'], 502],
    [[], 502],
  ] as const)('%j: %d', (reasons, status) => {
    expect(statusOf(reasons)).toBe(status);
  });

  test('the reasons are the contract\'s', () => {
    expect(REASONS).toHaveLength(19);
  });
});
