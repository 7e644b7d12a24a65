import { getHeapSpaceStatistics } from 'node:v8';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Register, type Entry } from '../../../src/wire/register.ts';
import { sized } from '../../../src/wire/sized.ts';

const KEYS = 60;

/** As the ids of a few pods. */
const spread = (n: number): string => `pod-${n % 3}.${(n * 35).toString(36)}`;
/** Alike in length and at the end, which is all that is looked at for the bucket. */
const alike = (n: number): string => `${String(n).padStart(4, '0')}-the-same-end`;
const short = (n: number): string => 'x'.repeat(n);

type Change = readonly [what: 'set' | 'delete', key: number];
type Operation = Change | readonly [what: 'walk', changes: readonly (Change | null)[]];

const key = fc.nat(KEYS - 1);
const change = fc.tuple(fc.constantFrom('set' as const, 'delete' as const), key);
const walk = fc.tuple(fc.constant('walk' as const), fc.array(fc.option(change), { maxLength: 30 }));
const operations = fc.array(fc.oneof({ weight: 12, arbitrary: change }, { weight: 1, arbitrary: walk }), { minLength: 20, maxLength: 200 });

type Table = Pick<Register<number>, 'set' | 'delete' | typeof Symbol.iterator> | Map<string, number>;

/** Each step changes one thing, the walked table under way; what is met is answered. */
function play(table: Table, done: readonly Operation[], named: (n: number) => string): unknown[] {
  let value = 0;
  const make = ([what, n]: Change): unknown => (what === 'delete' ? table.delete(named(n)) : void table.set(named(n), (value += 1)));
  return done.map((operation) => {
    if (operation[0] !== 'walk') return make(operation);
    const met: unknown[] = [];
    for (const one of table) {
      const [first, second] = [operation[1][met.length * 2], operation[1][met.length * 2 + 1]];
      met.push([...one]);
      if (first) make(first);
      if (second) make(second);
    }
    return met;
  });
}

test.each([
  ['ids', spread],
  ['keys that are all in one bucket', alike],
  ['keys of all lengths', short],
])('%s: the same as a Map, also where entries come and go while it is walked', (_what, named) => {
  fc.assert(
    fc.property(operations, (done) => {
      const register = new Register<number>();
      const plain = new Map<string, number>();
      expect(play(register, done, named)).toEqual(play(plain, done, named));
      expect([...register]).toEqual([...plain]);
      expect([[...register.keys()], [...register.values()], register.size]).toEqual([[...plain.keys()], [...plain.values()], plain.size]);
      for (let n = 0; n < KEYS; n += 1) expect([register.get(named(n)), register.has(named(n))]).toEqual([plain.get(named(n)), plain.has(named(n))]);
    }),
  );
});

test('it grows, and is empty again', () => {
  const register = new Register<number>();
  for (let n = 0; n < 5_000; n += 1) register.set(`pod.${n.toString(36)}`, n);
  expect([...register.values()]).toEqual(Array.from({ length: 5_000 }, (_, n) => n));
  for (const id of register.keys()) register.delete(id);
  expect([register.size, ...register]).toEqual([0]);
});

class Open extends Register<object> {
  entry(id: string): Entry<object> {
    return this.find(id)!;
  }
}

test('what was taken out points to nothing', () => {
  const register = new Open();
  // In one bucket, and so many that the table grows.
  for (let n = 0; n < 40; n += 1) register.set(alike(n), {});
  const entries = Array.from({ length: 40 }, (_, n) => register.entry(alike(n)));
  for (let n = 0; n < 40; n += 1) register.delete(alike((n * 7) % 40));
  for (const { value, chained, before, after } of entries) expect([value, chained, before, after]).toEqual([undefined, undefined, undefined, undefined]);
});

const oldSpace = (): number => getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')!.space_used_size;

test('what has left does not grow old (of these 100 MB, a Map keeps 70 until a full collection)', () => {
  const register = new Register<object>();
  const come = (n: number): void => register.set(`pod.${n}`, sized(125).fill(n));
  // What stands there when nothing comes for a while grows old; so does the table that it stands in.
  for (let n = 0; n < 30; n += 1) come(n);
  for (let n = 0; n < 100_000; n += 1) sized(125).fill(n);
  let last = oldSpace();
  let grown = 0;
  for (let n = 30; n < 100_000; n += 1) {
    come(n);
    register.delete(`pod.${n - 30}`);
    if (n % 500 > 0) continue;
    const now = oldSpace();
    grown += Math.max(0, now - last);
    last = now;
  }
  expect(grown).toBeLessThan(20_000_000);
});
