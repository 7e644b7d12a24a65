/** A primary that is down for a while under even traffic, and then well again. */
import { later } from '../../support/stack.ts';
import { askHi, header, startFailover, take, type Got } from './support.ts';

const DOWN_MS = 3000;
const OPEN_MS = 1000;
const EVERY_MS = 40;

export interface Outage {
  readonly requests: number;
  readonly failed: number;
  /** Calls of the primary while it was down. */
  readonly onPrimary: number;
  readonly downMs: number;
  readonly openMs: number;
  /** From its recovery until it served again. */
  readonly backMs: number;
  readonly slowestMs: number;
}

export async function outage(): Promise<Outage> {
  const stack = await startFailover({ policy: { breaker: { open: `${OPEN_MS}ms` } } });
  stack.sim.faults.add({ model: 'sim-primary', reset: true, count: Infinity });
  const from = performance.now();
  const asked: Promise<Got>[] = [];
  while (performance.now() - from < DOWN_MS) {
    asked.push(take(stack.client, askHi(), asked.length % 2 === 0));
    await later(EVERY_MS);
  }
  const during = await Promise.all(asked);
  const onPrimary = stack.sim.log.filter(({ model }) => model === 'sim-primary').length;
  stack.sim.faults.clear();
  const well = performance.now();
  let last: Got;
  do {
    await later(10);
    last = await take(stack.client, askHi(), false);
  } while (header(last, 'model') !== 'primary' && performance.now() - well < 10_000);
  return {
    requests: during.length, failed: during.filter(({ how }) => how !== 'whole').length, onPrimary, downMs: DOWN_MS, openMs: OPEN_MS,
    backMs: performance.now() - well, slowestMs: Math.max(...during.map(({ ms }) => ms)),
  };
}
