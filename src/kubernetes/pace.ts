/** How patient the reflector is. Tests have shorter ones. */
export interface Pace {
  /** The first wait after a failure is up to three times this; each further one up to three times the last. */
  readonly retryMs: number;
  readonly longestRetryMs: number;
  /** For the server to answer a LIST, or to accept a WATCH. */
  readonly openMs: number;
  /** The server ends each watch after a time between these, so that a fleet does not come back at once. */
  readonly watchSeconds: readonly [number, number];
  /** How much longer than agreed a watch may be silent before its peer is taken for dead. */
  readonly slackMs: number;
  /** The same where bookmarks come, which is every minute. */
  readonly bookmarkSilenceMs: number;
  /** A watch that ended sooner, and without an event, failed. */
  readonly shortestWatchMs: number;
  /** Belt and braces: events that a server forgot to send. Looked at when a watch ends, so it may be a watch later. */
  readonly relistMs: number;
  /** After one that lived longer, a broken connection is no news. */
  readonly longWatchMs: number;
  /** Up to this long before a LIST that needs no back-off; a whole fleet may come at the same moment. */
  readonly promptMs: number;
}

export const PACE: Pace = {
  retryMs: 500,
  // An edit is in force within 10 s of the end of a fault, however long it lasted.
  longestRetryMs: 8_000,
  openMs: 20_000,
  watchSeconds: [240, 360],
  slackMs: 15_000,
  bookmarkSilenceMs: 150_000,
  shortestWatchMs: 1000,
  relistMs: 480_000,
  longWatchMs: 10_000,
  promptMs: 500,
};
