/** What this pod has used, and what of it Redis is told. */
import { expect, test } from '@jest/globals';
import { Ledger } from '../../../src/budgets/ledger.ts';
import type { Op } from '../../../src/budgets/ops.ts';
import type { Actual, Ask, Candidate, Decision, Dimension } from '../../../src/budgets/types.ts';

const SHAPE = { stepMs: 10, steps: 20 };
const NOON = Date.UTC(2026, 10, 21, 12);
const DAY = 86_400_000;
const ROOM = { enforce: true };

const ask = (dimension: Dimension, amount: number): Ask => ({ dimension, limit: 1_000, amount });
const candidate = (...asks: Ask[]): Candidate => ({ model: 'm', budget: 'a', asks });
const byRedis = (chosen = 0): Decision => ({ chosen, refusals: [], levels: [], replayed: false, probe: false, would: null, by: 'redis' });
const reserveOf = (id: string, its: Candidate): Op => ({ kind: 'reserve', id, candidates: [its], enforce: false });
const assertOf = (rates: object, costs: object = {}): unknown => ({ kind: 'assert', budget: 'a', use: { rates, costs, slots: [] } });

function book() {
  const ledger = new Ledger(SHAPE, 1_000);
  const settle = (id: string, actual: Actual, now: number) => ledger.settle(id, actual, undefined, now);
  return { ledger, settle, tell: (now: number) => [...ledger.tell(now)] };
}

test('what Redis decided is known to it; a replay is recalled here', () => {
  const { ledger, settle, tell } = book();
  const its = candidate(ask('requests', 1), ask('concurrency', 1));
  ledger.adopt('one', its, byRedis(), NOON);
  expect(ledger.recall('one')).toEqual({ ...byRedis(), replayed: true });
  expect(ledger.live.get('one')).toMatchObject({ told: true, isSure: true });
  expect(tell(NOON)).toEqual([]);
  expect(settle('one', {}, NOON)).toMatchObject({ told: true });
  expect([ledger.live.size, ledger.recall('one')]).toEqual([0, undefined]);
  expect(tell(NOON)).toEqual([]);
  expect(settle('one', {}, NOON)).toBeUndefined();
});

test('tell: what is under way as reservations that are made whether or not they fit, the rest as use by its age; once', () => {
  const { ledger, settle, tell } = book();
  const its = candidate(ask('tokens', 100), ask('concurrency', 1), ask('cost_day', 50));
  for (const id of ['one', 'two', 'three']) ledger.decide(id, [its], ROOM, NOON);
  ledger.decide('other', [{ ...its, budget: 'b' }], ROOM, NOON + 10);
  settle('one', { tokens: 30, cost_day: 20 }, NOON + 10);
  settle('two', { tokens: 130 }, NOON + 30);
  settle('other', { tokens: 0, cost_day: 0 }, NOON + 30);
  expect(tell(NOON + 40)).toEqual([
    reserveOf('three', its),
    // To the ends of their sub-buckets: 100 + 30 of the first, and what "two" used beyond.
    assertOf({ tokens: [[31, 130], [1, 30]] }, { cost_day: 70 }),
  ]);
  expect(ledger.live.get('three')).toMatchObject({ told: true, isSure: false, renewed: NOON + 40 });
  expect(tell(NOON + 50)).toEqual([]);
  expect(settle('three', { tokens: 1 }, NOON + 50)).toMatchObject({ told: true });
  expect(tell(NOON + 50)).toEqual([]);
});

test('tellUse leaves reservations for when Redis takes them', () => {
  const { ledger, settle, tell } = book();
  const its = candidate(ask('requests', 1));
  ledger.decide('one', [its], ROOM, NOON);
  ledger.decide('two', [its], ROOM, NOON);
  settle('one', {}, NOON);
  expect([...ledger.tellUse(NOON)]).toEqual([assertOf({ requests: [[0, 1]] })]);
  expect([...ledger.tellUse(NOON)]).toEqual([]);
  expect(tell(NOON)).toEqual([reserveOf('two', its)]);
});

test('what has left the window, and the cost of a period that is over, is not told', () => {
  const { ledger, settle } = book();
  const midnight = NOON + DAY / 2;
  const its = candidate(ask('requests', 1), ask('cost_day', 50));
  for (const id of ['less', 'more']) ledger.decide(id, [its], ROOM, midnight - 1_000);
  settle('less', { requests: 1, cost_day: 10 }, midnight + 1);
  expect([...ledger.tellUse(midnight + 1)]).toEqual([]);
  // What it cost beyond is charged when it is known.
  settle('more', { requests: 1, cost_day: 80 }, midnight + 1);
  expect([...ledger.tellUse(midnight + 1)]).toEqual([assertOf({}, { cost_day: 30 })]);
});

test('Redis was emptied: everything is told again, exactly once, what was told and what was not', () => {
  const { ledger, settle, tell } = book();
  const its = candidate(ask('tokens', 100), ask('concurrency', 1));
  ledger.adopt('ended', its, byRedis(), NOON);
  ledger.adopt('live', its, byRedis(), NOON);
  ledger.decide('alone', [its], ROOM, NOON);
  ledger.decide('alone ended', [its], ROOM, NOON);
  settle('ended', { tokens: 40 }, NOON);
  settle('alone ended', { tokens: 3 }, NOON);
  for (let times = 0; times < 2; times += 1) {
    ledger.emptied(NOON);
    expect(tell(NOON)).toEqual([reserveOf('live', its), reserveOf('alone', its), assertOf({ tokens: [[0, 43]] })]);
    expect(tell(NOON)).toEqual([]);
  }
  // One that ends before it was told again is use like the rest.
  ledger.emptied(NOON);
  expect(settle('live', { tokens: 7 }, NOON)).toMatchObject({ told: false });
  expect(tell(NOON)).toEqual([reserveOf('alone', its), assertOf({ tokens: [[0, 50]] })]);
});

test('a long call is told with what it has used so far', () => {
  const { ledger, tell } = book();
  const its = candidate(ask('tokens', 100), ask('cost_day', 50), ask('concurrency', 1));
  ledger.adopt('one', its, byRedis(), NOON);
  ledger.extend('one', { tokens: 170, cost_day: 20 }, NOON);
  ledger.emptied(NOON);
  const actual = { tokens: 170, cost_day: 20 };
  expect(tell(NOON)).toEqual([reserveOf('one', its), { kind: 'extend', id: 'one', budgets: ['a'], actual }]);
});

test('one that Redis has not taken is told again', () => {
  const { ledger, settle, tell } = book();
  const its = candidate(ask('requests', 2));
  ledger.decide('one', [its], ROOM, NOON);
  const live = ledger.live.get('one')!;
  const refused = { ...byRedis(-1), refusals: [{ dimension: 'cooldown', waitMs: 9 } as const] };
  for (const result of ['learning', 'other_epoch', refused] as const) {
    expect(tell(NOON)).toEqual([reserveOf('one', its)]);
    ledger.heard('one', live, result, NOON);
    expect(live.told).toBe(false);
  }
  expect(tell(NOON)).toEqual([reserveOf('one', its)]);
  ledger.heard('one', live, byRedis(), NOON);
  expect(live).toMatchObject({ told: true, isSure: true });
  settle('one', {}, NOON);
  expect(tell(NOON)).toEqual([]);
});

test('one that was settled before Redis had said that it does not take it is use that is told', () => {
  const { ledger, settle, tell } = book();
  const its = candidate(ask('requests', 2), ask('concurrency', 1));
  for (const [id, isTaken] of [['taken', true], ['refused', false]] as const) {
    ledger.decide(id, [its], ROOM, NOON);
    const live = ledger.live.get(id)!;
    expect(tell(NOON)).toEqual([reserveOf(id, its)]);
    // Its settle goes behind it, and finds it or not.
    expect(settle(id, { requests: 1 }, NOON)).toMatchObject({ told: true });
    ledger.heard(id, live, isTaken ? byRedis() : 'learning', NOON);
    expect(tell(NOON)).toEqual(isTaken ? [] : [assertOf({ requests: [[0, 1]] })]);
  }
});

test('a refusal from before Redis was emptied changes nothing: all is told again anyhow', () => {
  const { ledger, settle, tell } = book();
  const its = candidate(ask('requests', 2));
  ledger.decide('ended', [its], ROOM, NOON);
  ledger.decide('live', [its], ROOM, NOON);
  const [ended, live] = ['ended', 'live'].map((id) => ledger.live.get(id)!);
  tell(NOON);
  settle('ended', {}, NOON);
  ledger.emptied(NOON);
  ledger.heard('ended', ended!, 'other_epoch', NOON);
  ledger.heard('live', live!, 'other_epoch', NOON);
  expect(tell(NOON)).toEqual([reserveOf('live', its), assertOf({ requests: [[0, 2]] })]);
  // And an acceptance from before says nothing of now.
  ledger.emptied(NOON);
  ledger.heard('live', live!, byRedis(), NOON);
  expect(live).toMatchObject({ told: false, isSure: false });
});

test('a slot, a model without limits: nothing that could be told when it is over', () => {
  const { ledger, settle, tell } = book();
  ledger.decide('slot', [candidate(ask('concurrency', 1))], ROOM, NOON);
  ledger.decide('free', [candidate()], ROOM, NOON);
  settle('slot', {}, NOON);
  settle('free', {}, NOON);
  expect(tell(NOON)).toEqual([]);
});
