/**
 * The failure table (docs/budgets.md): whatever befalls Redis under more load than the limits allow, every request is
 * answered, none waits for a Redis that is known to be away, and the providers see no more than the table says.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { INTERVALS } from '../../src/budgets/intervals.ts';
import { killAll } from '../support/processes.ts';
import { describeWithRedis } from '../support/redis.ts';
import { mostAllowed, mostAllowedAfter } from './failures/bounds.ts';
import { measure, type Fullest, type Measured } from './failures/measure.ts';
import { cluster, oneServer, sentinel } from './failures/scenes.ts';
import type { Stage } from './failures/stage.ts';

/** Shorter spans, where calls were slow on their way, would say nothing. */
const LONG_ENOUGH_MS = 500;
/** A beat and a half; a Redis that is only back is asked sooner. */
const LEARNS_MS = 1.5 * INTERVALS.beatMs - 100;

describeWithRedis('under load beyond the limits', () => {
  describe.each([oneServer(), sentinel(), cluster()])('$name', (scene) => {
    let stage: Stage;

    beforeAll(async () => {
      stage = await scene.open();
    }, 40_000);

    afterAll(async () => {
      await stage?.close();
      await killAll();
      await scene.close();
    });

    test.each(scene.faults)('$name', async (fault) => {
      const measured = await measure(stage, fault);
      if (process.env['SPILLWAY_TEST_FIGURES']) console.log(measured);
      expect(measured.errors).toEqual([]);
      expect(measured.requests).toBeGreaterThan(100);
      // Each time it is lost, the requests under way wait once. Would all of them wait, it would be most of them.
      expect(measured.held).toBeLessThan(measured.requests / 5);
      expect(measured.spanMs).toBeGreaterThan(LONG_ENOUGH_MS);
      within(measured.fullest, mostAllowed(measured, fault));
      within(measured.fullestAfter, mostAllowedAfter(measured, fault));
      // There was more to do than that.
      expect(measured.fullest.requests).toBeGreaterThan(0.6);
      if (fault.alone === 'none') expect(notJustLate(measured)).toEqual([]);
      else expect(measured.recoveredMs).toBeGreaterThan(fault.learns ? LEARNS_MS : 0);
    }, 40_000);
  });
});

function within(fullest: Fullest, most: Fullest): void {
  expect(fullest.requests).toBeLessThanOrEqual(most.requests);
  expect(fullest.tokens).toBeLessThanOrEqual(most.tokens);
  expect(fullest.concurrency).toBeLessThanOrEqual(most.concurrency);
}

/** On a busy machine Redis can be late without any fault. */
function notJustLate({ lost }: Measured): string[] {
  return lost.filter((error) => !error.startsWith('no answer from Redis within'));
}
