/**
 * How long a model takes, decayed with time: an exponential average over samples that come when they come (Eckner, "Algorithms
 * for Unevenly Spaced Time Series", 2017). It decays as Finagle's Peak EWMA does, without its jump to each peak: here one long
 * prompt among short ones is slow, and says nothing of the model.
 */

/** A sample of this age weighs 1/e of a new one. */
const MEMORY_MS = 30_000;
/** However long ago the last ones were, one sample does not replace them all. */
const MOST_WEIGHT = 0.5;
/** Not measured for so long, it may be quite different by now. */
const OLD_MS = 30_000;

export interface Latency {
  /** NaN: never measured. */
  ms: number;
  measuredAt: number;
}

export function newLatency(): Latency {
  return { ms: NaN, measuredAt: -Infinity };
}

export function measure(latency: Latency, ms: number, now: number): void {
  const weight = Math.min(MOST_WEIGHT, 1 - Math.exp(-Math.max(0, now - latency.measuredAt) / MEMORY_MS));
  latency.ms = Number.isNaN(latency.ms) ? ms : latency.ms + weight * (ms - latency.ms);
  latency.measuredAt = now;
}

export function isOld({ measuredAt }: Latency, now: number): boolean {
  return now - measuredAt > OLD_MS;
}
