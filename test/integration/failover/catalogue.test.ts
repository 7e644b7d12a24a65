/** The catalogue of faults, through real sockets and the official client; its table is printed, and kept in docs/failover.md. */
import { afterAll, describe, expect, test } from '@jest/globals';
import { outage } from './outage.ts';
import { play, type Line, type Row } from './row.ts';
import { ROWS } from './rows.ts';
import { printTable, type Entry } from './table.ts';

const lines = new Map<Row, Line>();
const more: Entry[] = [];
afterAll(() => printTable(ROWS.flatMap((row) => lines.get(row) ?? []), more));

const takesTime = ({ wanted, next }: Row): boolean => (wanted.atLeast ?? 0) > 1 || next !== undefined;

describe('what the app gets', () => {
  test.each(ROWS.filter((row) => !takesTime(row)).map((row) => [row.set === undefined ? row.fault : `${row.fault} (${row.set})`, row] as const))('%s', async (_, row) => {
    lines.set(row, await play(row));
  });

  test('rows in which seconds pass, all at once', async () => {
    await Promise.all(ROWS.filter(takesTime).map(async (row) => lines.set(row, await play(row))));
  });

  test('an outage under traffic', async () => {
    const { requests, onPrimary, backMs, failed, downMs, slowestMs, openMs } = await outage();
    expect(failed).toBe(0);
    // Until five failures are known, and one probe each time that it may be asked.
    expect(onPrimary).toBeLessThanOrEqual(5 + 4 + Math.ceil(downMs / openMs));
    expect(onPrimary).toBeGreaterThanOrEqual(5);
    // Its time is over at some point of `open`; then the next request is the probe.
    expect(backMs).toBeLessThanOrEqual(openMs + 500);
    more.push({
      fault: `an outage of ${downMs / 1000} s under ${requests} requests (${Math.round((requests * 1000) / downMs)} a second)`, set: `breaker.open: ${openMs / 1000}s`,
      gets: `every answer whole; back on the primary ${(backMs / 1000).toFixed(2)} s after it was well`, calls: `primary ${onPrimary} while it was down`, seconds: (slowestMs / 1000).toFixed(2),
    });
  });
});
