/** What a test has opened is closed when it is over, the last first. */
import { afterEach } from '@jest/globals';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

export function atEnd(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

export function kept<T extends { stop(): Promise<void> }>(server: T): T {
  atEnd(() => server.stop());
  return server;
}
