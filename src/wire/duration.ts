/** Durations as people write them in the configuration and in headers: "250ms", "10s", "5m", "1h". */

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Also the pattern of the JSON schema; "0" needs no unit. */
export const DURATION = /^(?:0|\d{1,10}(?:\.\d{1,6})?(?:ms|s|m|h))$/;

/** Longest delay a timer of Node takes; a longer one would fire at once. */
export const LONGEST_MS = 2_147_483_647;

/** Milliseconds, rounded to a whole number; null if the text is not a duration or is longer than a timer can wait. */
export function parseDuration(text: string): number | null {
  if (!DURATION.test(text)) return null;
  const unit = /[a-z]+$/.exec(text)?.[0] ?? 'ms';
  const ms = Math.round(Number.parseFloat(text) * (UNITS[unit] ?? 1));
  return ms <= LONGEST_MS ? ms : null;
}

/** The shortest text that means `ms`: 90_000 is "90s", 7_200_000 is "2h". */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's']) {
    const size = UNITS[unit] ?? 1;
    if (ms > 0 && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}
