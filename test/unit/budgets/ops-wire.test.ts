/** How operations travel: what the scripts' own tests cannot show. */
import { expect, test } from '@jest/globals';
import type { Op } from '../../../src/budgets/ops.ts';
import { OpReader, OpWriter } from '../../../src/budgets/ops-wire.ts';
import type { Ask } from '../../../src/budgets/types.ts';

const MOST = 2 ** 53 - 1;
const reserve = (id: string, ...asks: Ask[]): Op => ({ kind: 'reserve', id, candidates: [{ model: 'm', budget: 'b', asks }], enforce: true });
const asked = reserve('one', { dimension: 'cost_day', limit: MOST, amount: 2 ** 50 });
const bytes = (text: string) => Buffer.from(text);

test('a list is as long as its own operations, whatever was written before', () => {
  const writer = new OpWriter(() => 1);
  const alone = writer.write([asked]);
  writer.write(Array.from({ length: 300 }, () => asked));
  expect(writer.write([asked])).toBe(alone);
  expect(writer.write([])).toBe('[0]');
});

test('whole numbers up to 2^53 - 1 both ways', () => {
  expect(JSON.parse(new OpWriter(() => 1).write([asked]))).toEqual([1, 'one', 'r', 8, 1, 1, 'm', 1, 1, 'd', MOST, 2 ** 50]);
  const [decision] = new OpReader().read([asked], bytes(`0,0,0,1,${MOST},${MOST - 1},`));
  expect(decision).toMatchObject({ chosen: 0, levels: [{ limit: MOST, used: MOST, resetMs: MOST - 1 }] });
});

test('of several operations each has its own answer', () => {
  const settle: Op = { kind: 'settle', id: 'one', budgets: [], actual: {} };
  const results = new OpReader().read([settle, asked, asked, settle, asked], bytes('0,-1,0,-1,1,-1,-1,0,1,-2,'));
  expect(results).toMatchObject([false, 'learning', { chosen: -1, refusals: [{ dimension: 'cooldown', waitMs: -1 }] }, true, 'other_epoch']);
});

test.each(['', '0,', '0,0,0,1,5,', '0,0,0,1,5,6,7,', '0,0,0,1,5,6'])('an answer that is not to these operations is none: "%s"', (answer) => {
  expect(() => new OpReader().read([asked], bytes(answer))).toThrow('does not fit');
});
