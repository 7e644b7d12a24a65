import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { createMeter } from '../../../src/simulator/limits.ts';
import { admit, createModels } from '../../../src/simulator/models.ts';
import { worstWindow } from '../../../src/simulator/worst-window.ts';
import type { LimiterKind } from '../../../src/simulator/types.ts';

const minute = { limit: 10, windowMs: 60_000, phaseMs: 0 };
const KINDS: LimiterKind[] = ['token-bucket', 'fixed-minute', 'sliding-log'];

describe('token bucket', () => {
  test('holds the limit at once and refills one by one', () => {
    const meter = createMeter('token-bucket', minute);
    for (let i = 0; i < 10; i++) {
      expect(meter.waitMs(0, 1)).toBe(0);
      meter.take(0, 1);
    }
    expect(meter.waitMs(0, 1)).toBe(6000);
    expect(meter.waitMs(5999, 1)).toBeCloseTo(1);
    expect(meter.waitMs(6000, 1)).toBe(0);
    expect(meter.resetMs(0)).toBe(60_000);
  });

  test("shows OpenAI's 120ms after one of 500", () => {
    const meter = createMeter('token-bucket', { ...minute, limit: 500 });
    meter.take(0, 1);
    expect(meter.resetMs(0)).toBeCloseTo(120);
  });
});

describe('fixed minute', () => {
  test('forgets at the turn of its own minute', () => {
    const meter = createMeter('fixed-minute', { ...minute, phaseMs: 15_000 });
    meter.take(14_000, 10);
    expect(meter.waitMs(14_000, 1)).toBe(1000);
    expect(meter.waitMs(15_000, 10)).toBe(0);
    meter.take(15_000, 10);
    expect(meter.remaining(15_001)).toBe(0);
    expect(meter.resetMs(15_001)).toBe(59_999);
  });
});

describe('sliding log', () => {
  test('frees what is a window old', () => {
    const meter = createMeter('sliding-log', minute);
    meter.take(0, 4);
    meter.take(1000, 6);
    expect(meter.waitMs(2000, 5)).toBe(59_000);
    expect(meter.waitMs(2000, 4)).toBe(58_000);
    expect(meter.waitMs(60_000, 4)).toBe(0);
    expect(meter.remaining(60_000)).toBe(4);
  });

  test('never lets more than the limit into a true window', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 1, max: 7 })), { maxLength: 200 }), (steps) => {
      const meter = createMeter('sliding-log', { limit: 10, windowMs: 100, phaseMs: 0 });
      const taken: { at: number; reservedTokens: number }[] = [];
      let now = 0;
      for (const [step, cost] of steps) {
        now += step;
        if (meter.waitMs(now, cost) > 0) continue;
        meter.take(now, cost);
        taken.push({ at: now, reservedTokens: cost });
      }
      expect(worstWindow(taken, 100).tokens).toBeLessThanOrEqual(10);
    }));
  });
});

describe('all of them', () => {
  test.each(KINDS)('%s: the wait is true and the shortest', (kind) => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 10 })), { maxLength: 50 }), (steps) => {
      const meter = createMeter(kind, { limit: 10, windowMs: 128, phaseMs: 7 });
      let now = 0;
      for (const [step, cost] of steps) {
        now += step;
        const wait = meter.waitMs(now, cost);
        expect(wait).toBeLessThanOrEqual(128.001);
        if (wait > 0) {
          if (wait > 0.001) expect(meter.waitMs(now + wait * 0.99, cost)).toBeGreaterThan(0);
          now += wait;
          expect(meter.waitMs(now, cost)).toBe(0);
        }
        meter.take(now, cost);
        expect(meter.remaining(now)).toBeGreaterThanOrEqual(0);
        expect(meter.remaining(now + meter.resetMs(now) + 0.001)).toBeCloseTo(10);
      }
    }));
  });

  test.each(KINDS)('%s: what is more than the limit never fits', (kind) => {
    expect(createMeter(kind, minute).waitMs(0, 11)).toBe(Infinity);
  });
});

test('a call that one limit refuses takes nothing of the other', () => {
  const model = createModels([{ name: 'm', requestsPerMinute: 2, tokensPerMinute: 100 }]).find('m')!;
  expect(admit(model, 0, 90)).toEqual({ admitted: true });
  expect(admit(model, 0, 20)).toMatchObject({ admitted: false, short: 'tokens', used: 90, requested: 20, waitMs: 6000 });
  expect(admit(model, 0, 10)).toEqual({ admitted: true });
  expect(admit(model, 0, 0)).toMatchObject({ admitted: false, short: 'requests', used: 2, waitMs: 30_000 });
});
