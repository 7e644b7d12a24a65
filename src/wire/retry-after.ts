/**
 * How long an upstream asks to be left alone, in ms: `retry-after-ms` (OpenAI, Azure), else `retry-after` in seconds or as
 * an HTTP date (RFC 9110, 10.2.3).
 */
export function retryAfterMs(header: (name: string) => string | undefined, wallClock: () => number): number | undefined {
  const exact = number(header('retry-after-ms'));
  if (exact !== undefined) return exact;
  const value = header('retry-after');
  const seconds = number(value);
  if (seconds !== undefined) return Math.ceil(seconds * 1000);
  // Date.parse takes much that is no HTTP date, `-1` for one.
  const date = value !== undefined && /^[A-Za-z]{3}/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - wallClock());
}

function number(value: string | undefined): number | undefined {
  return value !== undefined && /^\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : undefined;
}
