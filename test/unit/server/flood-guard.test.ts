import { expect, test } from '@jest/globals';
import { FloodGuard } from '../../../src/server/flood-guard.ts';
import { until } from '../../support/stack.ts';

test('an app beyond its refusals is flooding until the second is over; another app is not', async () => {
  let now = 0;
  const guard = new FloodGuard({ perSecond: 3, now: () => now });
  for (let i = 0; i < 3; i++) guard.refused('a');
  guard.refused('b');
  // They are counted in turn: when the last of these is, the others are.
  for (let i = 0; i < 4; i++) guard.refused('last');
  await until(() => guard.isFlooding('last'), 'the refusals are counted');
  expect([guard.isFlooding('a'), guard.isFlooding('b')]).toEqual([false, false]);
  guard.refused('a');
  await until(() => guard.isFlooding('a'), 'one too many');
  expect(guard.isFlooding('b')).toBe(false);
  now = 1001;
  expect(guard.isFlooding('a')).toBe(false);
});
