import { describe, expect, test } from '@jest/globals';
import { CLOSED, cooled, gate, passed, reported, shown, WARM, type Circuit } from '../../../src/budgets/health.ts';
import { createModel, health, report, reserve, settle, type Model } from '../../../src/budgets/model.ts';
import type { Candidate, Report } from '../../../src/budgets/types.ts';
import { window } from '../../../src/wire/window.ts';

const START = 1_700_000_000_000;
const failed: Report = { kind: 'failed', failures: 3, windowMs: 10_000, openMs: 5_000 };
const ok: Report = { kind: 'ok' };
const neutral: Report = { kind: 'neutral' };
const throttled = (forMs: number | null): Report => ({ kind: 'throttled', forMs });
const after = (circuit: Circuit, ...reports: [Report, number][]) =>
  reports.reduce((known, [its, now]) => reported(known, 'x', its, now), circuit);

describe('a closed circuit', () => {
  test('opens at as many failures within the time', () => {
    expect(after(CLOSED, [failed, 0], [failed, 9_999]).state).toBe('closed');
    expect(after(CLOSED, [failed, 0], [failed, 5], [failed, 9_999])).toEqual({ state: 'open', until: 14_999 });
    expect(after(CLOSED, [failed, 0], [failed, 5], [failed, 10_000])).toEqual({ state: 'closed', failures: [5, 10_000] });
  });

  test('a success takes the oldest failure off; the rest says nothing', () => {
    expect(after(CLOSED, [failed, 1], [failed, 2], [ok, 3])).toEqual({ state: 'closed', failures: [2] });
    expect(after(CLOSED, [failed, 1], [neutral, 2], [throttled(1), 3])).toEqual({ state: 'closed', failures: [1] });
    expect(after(CLOSED, [ok, 1])).toEqual(CLOSED);
  });
});

describe('an open circuit', () => {
  const open: Circuit = { state: 'open', until: 1_000 };
  const probing = passed(open, gate(open, 1_000), 'x', 1_000, 30_000);

  test('lets nobody pass until its time is over, then one', () => {
    expect(gate(open, 999)).toEqual({ waitMs: 1 });
    expect(gate(open, 1_000)).toEqual({ as: 'probe' });
    expect(gate(probing, 1_001)).toEqual({ waitMs: 0 });
    expect(gate(probing, 30_999)).toEqual({ waitMs: 0 });
    expect(gate(probing, 31_000)).toEqual({ as: 'probe' });
  });

  test('only the probe counts', () => {
    for (const its of [ok, neutral, failed, throttled(5)]) {
      expect(reported(open, 'x', its, 500)).toEqual(open);
      expect(reported(probing, 'y', its, 2_000)).toEqual(probing);
    }
    expect(reported(probing, 'x', failed, 2_000)).toEqual({ state: 'open', until: 7_000 });
    expect(gate(reported(probing, 'x', neutral, 2_000), 2_000)).toEqual({ as: 'probe' });
    for (const its of [ok, throttled(5)]) expect(reported(probing, 'x', its, 2_000).state).toBe('returning');
  });

  test('is shown as half open when the next request will be a probe', () => {
    expect(shown(open, WARM, 999).circuit).toBe('open');
    expect(shown(open, WARM, 1_000).circuit).toBe('half_open');
    expect(shown(probing, WARM, 1_000).circuit).toBe('half_open');
  });
});

describe('a returning circuit', () => {
  test('lets 2, 4, 8, ... pass by the end of each second, and all after six', () => {
    let circuit: Circuit = { state: 'returning', since: 0, admitted: 0 };
    const most: number[] = [];
    for (let second = 0; second < 6; second += 1) {
      let through = gate(circuit, second * 1_000);
      while ('as' in through) {
        circuit = passed(circuit, through, 'x', 0, 0);
        through = gate(circuit, second * 1_000 + 999);
      }
      expect(through).toEqual({ waitMs: 1 });
      most.push(circuit.state === 'returning' ? circuit.admitted : -1);
    }
    expect(most).toEqual([2, 4, 8, 16, 32, 64]);
    expect(gate(circuit, 6_000)).toEqual({ as: 'any' });
    expect(shown(circuit, WARM, 5_999).circuit).toBe('returning');
    expect(shown(circuit, WARM, 6_000).circuit).toBe('closed');
  });

  test('opens again at one failure; after six seconds it is closed', () => {
    const circuit: Circuit = { state: 'returning', since: 0, admitted: 9 };
    expect(reported(circuit, 'y', failed, 5_999)).toEqual({ state: 'open', until: 10_999 });
    expect(reported(circuit, 'y', failed, 6_000)).toEqual({ state: 'closed', failures: [6_000] });
    expect(reported(circuit, 'y', ok, 100)).toEqual(circuit);
  });

  test('a clock that goes back lets no more pass', () => {
    expect(gate({ state: 'returning', since: 10_000, admitted: 2 }, 4_000)).toEqual({ waitMs: 7_000 });
  });
});

describe('a cooldown', () => {
  test('is as long as the provider says, or doubles up to a minute until a success', () => {
    expect(cooled(WARM, throttled(300), 1_000)).toEqual({ until: 1_300, step: 0 });
    let cooldown = WARM;
    const waits: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      cooldown = cooled(cooldown, throttled(null), i * 100_000);
      waits.push(cooldown.until - i * 100_000);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    expect(cooled(cooldown, ok, 0)).toEqual({ until: cooldown.until, step: 0 });
    expect(cooled(cooldown, neutral, 0)).toBe(cooldown);
  });

  test('is never made shorter', () => {
    expect(cooled({ until: 9_000, step: 0 }, throttled(300), 1_000).until).toBe(9_000);
  });
});

describe('reservations', () => {
  const fresh = () => createModel({ window: window(), leaseMs: 30_000, recordMs: 600_000 });
  const on = (model: string, budget: string, limit = 100): Candidate => ({
    model,
    budget,
    asks: [{ dimension: 'requests', limit, amount: 1 }],
  });
  const open = (model: Model, name: string, budget: string, now: number) => {
    reserve(model, `open-${name}`, [on(name, budget)], now);
    settle(model, `open-${name}`, {}, now, { kind: 'failed', failures: 1, windowMs: 1, openMs: 5_000 });
  };
  const circuit = (model: Model, name: string, budget: string, now: number) =>
    health(model, new Map([[name, budget]]), now).get(name)!.circuit;

  test('a throttled budget keeps all its models out, and no others', () => {
    const model = fresh();
    reserve(model, 'one', [on('m', 'a')], START);
    report(model, 'one', throttled(2_000), START);
    const chain = [on('m', 'a'), on('n', 'a'), on('o', 'b')];
    expect(reserve(model, 'two', chain, START + 500)).toMatchObject({
      chosen: 2,
      refusals: [{ dimension: 'cooldown', waitMs: 1_500 }, { dimension: 'cooldown', waitMs: 1_500 }],
    });
    expect(reserve(model, 'three', chain, START + 2_000).chosen).toBe(0);
  });

  test('an open circuit keeps one model out, whether or not budgets are enforced', () => {
    const model = fresh();
    open(model, 'm', 'a', START);
    const chain = [on('m', 'a'), on('n', 'a')];
    for (const enforce of [true, false])
      expect(reserve(model, `${enforce}`, chain, START + 1_000, { enforce })).toMatchObject({
        chosen: 1,
        refusals: [{ dimension: 'circuit_open', waitMs: 4_000 }],
      });
  });

  test('I2: a probe that has no room is none', () => {
    const model = fresh();
    open(model, 'm', 'a', START);
    expect(reserve(model, 'full', [on('m', 'a', 1)], START + 5_000).chosen).toBe(-1);
    expect(reserve(model, 'one', [on('m', 'a')], START + 5_000).probe).toBe(true);
    expect(reserve(model, 'one', [on('m', 'a')], START + 5_000)).toMatchObject({ probe: true, replayed: true });
    expect(reserve(model, 'two', [on('m', 'a')], START + 5_000).chosen).toBe(-1);
  });

  test('a probe that ends without a word does not keep the next one waiting', () => {
    const model = fresh();
    open(model, 'm', 'a', START);
    reserve(model, 'one', [on('m', 'a')], START + 5_000);
    settle(model, 'one', {}, START + 5_001);
    expect(reserve(model, 'two', [on('m', 'a')], START + 5_001).probe).toBe(true);
    report(model, 'two', ok, START + 5_002);
    settle(model, 'two', {}, START + 5_003);
    expect(circuit(model, 'm', 'a', START + 5_003)).toBe('returning');
  });
});
