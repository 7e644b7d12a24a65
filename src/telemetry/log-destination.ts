/** Where the lines of the log go. */
import type { Writable } from 'node:stream';
import type { DestinationStream } from 'pino';

/** Lines for a reader that stalls are dropped beyond this. */
const BACKLOG_BYTES = 4 * 1024 * 1024;

export interface LogDestination extends DestinationStream {
  /** Resolves when every line is written, or cannot be: the reader went away, or does not read for `ms` milliseconds. */
  finished(ms: number): Promise<void>;
}

/**
 * Writes are not waited for, and what waits is bounded: a log reader that stalls must not stall the road. (pino's own destination
 * has a thread do it, which then blocks in the kernel, and Node does not end before its threads do.)
 * @param out the standard output, mostly a pipe
 */
export function logDestination(out: Writable): LogDestination {
  let gone = false;
  // Its reader went away: there is nobody to tell.
  out.on('error', () => (gone = true));
  return {
    write(line) {
      if (!gone && out.writableLength < BACKLOG_BYTES) out.write(line);
    },
    async finished(ms) {
      if (gone || out.writableLength === 0) return;
      await new Promise<void>((resolve) => {
        const late = setTimeout(resolve, ms);
        out.write('', () => {
          clearTimeout(late);
          resolve();
        });
      });
    },
  };
}
