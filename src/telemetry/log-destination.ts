/** Where the lines of the log go. */
import pino, { type DestinationStream } from 'pino';
import { codeOf } from '../wire/record.ts';

/** Lines for a reader that stalls are dropped beyond this. */
const BACKLOG_BYTES = 4 * 1024 * 1024;

export interface LogDestination extends DestinationStream {
  /** Resolves when every line is written, or cannot be: the reader went away, or does not read for `ms` milliseconds. */
  finished(ms: number): Promise<void>;
}

/**
 * Writes are not waited for, and what waits is bounded: a log reader that stalls must not stall the road.
 * (pino's own flushSync overtakes a write that is under way, and does not return when the reader is gone.)
 * @param fd a file descriptor, such as 1 for the standard output
 */
export function logDestination(fd: number): LogDestination {
  const lines = pino.destination({ dest: fd, sync: false, maxLength: BACKLOG_BYTES });
  let writing = false;
  let gone = false;
  let wake = (): void => undefined;
  const rest = (): void => {
    writing = false;
    wake();
  };
  lines.on('drain', rest).on('error', (error) => {
    gone ||= codeOf(error) === 'EPIPE';
    rest();
  });
  return {
    write(line) {
      if (gone) return;
      writing = true;
      lines.write(line);
    },
    async finished(ms) {
      if (!writing) return;
      await new Promise<void>((resolve) => {
        const late = setTimeout(resolve, ms);
        wake = () => {
          clearTimeout(late);
          resolve();
        };
      });
    },
  };
}
