import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { headroomOf, newGauge, passedOver, seen } from '../../../src/decide/gauge.ts';
import { isOld, measure, newLatency } from '../../../src/decide/latency.ts';

const level = (used: number, resetMs: number, limit = 100) => ({ dimension: 'requests', limit, used, resetMs }) as const;

describe('latency', () => {
  test('the first sample is the figure; later ones pull it, the more the older it is', () => {
    const after = (gap: number): number => {
      const latency = newLatency();
      measure(latency, 1000, 0);
      measure(latency, 2000, gap);
      return latency.ms;
    };
    expect(after(0)).toBe(1000);
    expect(after(3000)).toBeCloseTo(1095, 0);
    expect(after(15_000)).toBeCloseTo(1393, 0);
    // One outlier after a quiet hour is not the whole truth.
    expect(after(3_600_000)).toBe(1500);
  });

  test('is always between the samples, and follows a lasting change within two minutes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(60_000), fc.nat(30_000)), { minLength: 1 }), (samples) => {
        const latency = newLatency();
        let now = 0;
        for (const [gap, ms] of samples) measure(latency, ms, (now += gap));
        expect(latency.ms).toBeGreaterThanOrEqual(Math.min(...samples.map(([, ms]) => ms)));
        expect(latency.ms).toBeLessThanOrEqual(Math.max(...samples.map(([, ms]) => ms)));
      }),
    );
    const latency = newLatency();
    for (let now = 0; now < 60_000; now += 100) measure(latency, 500, now);
    for (let now = 60_000; now < 180_000; now += 100) measure(latency, 3000, now);
    expect(latency.ms).toBeGreaterThan(2900);
  });

  test('is old after half a minute, and before the first sample', () => {
    const latency = newLatency();
    expect(isOld(latency, 0)).toBe(true);
    measure(latency, 1, 0);
    expect(isOld(latency, 30_000)).toBe(false);
    expect(isOld(latency, 30_001)).toBe(true);
  });
});

describe('headroom', () => {
  test('is that of the fullest limit, and what is beyond a limit is none', () => {
    const gauge = newGauge();
    expect(headroomOf(gauge, 0)).toBe(1);
    seen(gauge, [level(10, 60_000), level(75, 60_000), level(40, 60_000)], 0);
    expect(headroomOf(gauge, 0)).toBe(0.25);
    seen(gauge, [level(130, 60_000)], 0);
    expect(headroomOf(gauge, 0)).toBe(0);
    // A model without limits always has room.
    seen(gauge, [], 0);
    expect(headroomOf(gauge, 0)).toBe(1);
  });

  test('comes back while nobody looks', () => {
    const gauge = newGauge();
    seen(gauge, [level(100, 40_000)], 1000);
    expect(headroomOf(gauge, 21_000)).toBe(0.5);
    expect(headroomOf(gauge, 41_000)).toBe(1);
    // Concurrency: nobody knows when.
    seen(gauge, [level(8, 0, 10)], 0);
    expect(headroomOf(gauge, 30_000)).toBeCloseTo(0.6);
  });
});

describe('passed over', () => {
  test('for its health: unwell for as long as the engine says, or a moment', () => {
    const gauge = newGauge();
    passedOver(gauge, { dimension: 'cooldown', waitMs: 5000 }, 100);
    expect(gauge.unwellUntil).toBe(5100);
    const probed = newGauge();
    passedOver(probed, { dimension: 'circuit_open', waitMs: 0 }, 100);
    expect(probed.unwellUntil).toBe(1100);
    expect(headroomOf(probed, 100)).toBe(1);
  });

  test('for its budget: full, unless the request was larger than the whole of it', () => {
    const gauge = newGauge();
    passedOver(gauge, { dimension: 'tokens', waitMs: -1 }, 0);
    expect(headroomOf(gauge, 0)).toBe(1);
    passedOver(gauge, { dimension: 'tokens', waitMs: 3000 }, 0);
    expect(headroomOf(gauge, 0)).toBe(0);
    expect(headroomOf(gauge, 3000)).toBeCloseTo(0.05);
    passedOver(gauge, { dimension: 'cost_day', waitMs: 7_200_000 }, 0);
    expect(headroomOf(gauge, 3_600_000)).toBe(0.5);
    expect(gauge.unwellUntil).toBe(-Infinity);
  });
});
