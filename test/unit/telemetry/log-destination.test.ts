import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { logDestination } from '../../../src/telemetry/log-destination.ts';

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

/** A pipe holds 64 KB; its writer then is told to come again. */
const LINES = Array.from({ length: 2_000 }, (_, n) => `${JSON.stringify({ n, text: 'x'.repeat(100) })}\n`);
const LATE = 'late';

describe('a log that is read through a pipe', () => {
  let folder: string;
  let reader: number;
  let writer: Socket;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'spillway-log-'));
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    reader = openSync(pipe, O_RDONLY | O_NONBLOCK);
    // As Node opens a standard output that is a pipe.
    writer = new Socket({ fd: openSync(pipe, O_WRONLY | O_NONBLOCK), readable: false, writable: true });
  });

  afterEach(() => {
    writer.destroy();
    rmSync(folder, { recursive: true });
  });

  function read(): string {
    const buffer = Buffer.alloc(1 << 17);
    try {
      return buffer.toString('utf8', 0, readSync(reader, buffer));
    } catch (error) {
      expect(error).toMatchObject({ code: 'EAGAIN' });
      return '';
    }
  }

  async function orLate(done: Promise<void>, ms: number): Promise<unknown> {
    const late = new AbortController();
    return Promise.race([done, pause(ms, LATE, { signal: late.signal })]).finally(() => late.abort());
  }

  test('it is finished when the last line is written, and the lines are in order', async () => {
    const log = logDestination(writer);
    for (const line of LINES.slice(0, 100)) log.write(line);
    await log.finished(60_000);
    expect(read()).toBe(LINES.slice(0, 100).join(''));
    await log.finished(60_000);
    closeSync(reader);
  });

  test('a reader that is slow gets every line before it is finished', async () => {
    const log = logDestination(writer);
    for (const line of LINES) log.write(line);
    const seen: string[] = [];
    const reading = setInterval(() => seen.push(read()), 1);
    await log.finished(60_000);
    clearInterval(reading);
    expect(seen.join('') + read()).toBe(LINES.join(''));
    closeSync(reader);
  });

  test('one that does not read is waited for no longer than asked', async () => {
    const log = logDestination(writer);
    for (const line of LINES) log.write(line);
    expect(await orLate(log.finished(1), 30_000)).toBeUndefined();
    expect(read()).not.toBe('');
    closeSync(reader);
    expect(await orLate(log.finished(60_000), 30_000)).toBeUndefined();
  });

  test('what nobody reads is bounded', async () => {
    const log = logDestination(writer);
    for (let n = 0; n < 50; n++) for (const line of LINES) log.write(line);
    expect(writer.writableLength).toBeGreaterThan(4 * 1024 * 1024 - 1);
    expect(writer.writableLength).toBeLessThan(4 * 1024 * 1024 + 200);
    closeSync(reader);
    expect(await orLate(log.finished(60_000), 30_000)).toBeUndefined();
  });

  test('one that went away is not waited for, and costs nothing', async () => {
    closeSync(reader);
    const log = logDestination(writer);
    log.write(LINES[0]!);
    expect(await orLate(log.finished(60_000), 30_000)).toBeUndefined();
    log.write(LINES[1]!);
    expect(await orLate(log.finished(60_000), 30_000)).toBeUndefined();
  });
});
