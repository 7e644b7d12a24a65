import type { Writable } from 'node:stream';

/** What every command is given, and how it says that it was called wrongly. */
export interface Io {
  stdout(text: string): void;
  stderr(text: string): void;
  stdin(): Promise<string>;
  /** Aborted by SIGTERM, SIGINT or SIGHUP: finish and return. */
  readonly signal: AbortSignal;
  /** Hears of errors that nobody caught. Before anyone asks for it, such an error ends the process. */
  onUncaught(told: (error: unknown) => void): void;
  /** Hears of Node's own warnings, which else stand as plain text on standard error. */
  onWarning(told: (warning: Error) => void): void;
  /** Standard output, for a log. */
  readonly log: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** @returns the exit code: 0 done, 1 what was asked for failed, 2 wrong usage */
export type Command = (args: string[], io: Io) => Promise<number>;

/** Wrong usage: the text says what, the command adds where help is. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
