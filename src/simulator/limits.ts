/** The three ways in which providers count, each exact; nothing is ever given back. */
import type { LimiterKind } from './types.ts';

export type Limit = { limit: number; windowMs: number; phaseMs: number };

export type Meter = {
  readonly limit: number;
  /** What would still fit at once. */
  remaining(now: number): number;
  /** Until everything is free again. */
  resetMs(now: number): number;
  /** Until a cost fits: 0 now, Infinity never. Takes nothing. */
  waitMs(now: number, cost: number): number;
  take(now: number, cost: number): void;
};

export function createMeter(kind: LimiterKind, limit: Limit): Meter {
  if (kind === 'fixed-minute') return fixedWindow(limit);
  return kind === 'sliding-log' ? slidingLog(limit) : tokenBucket(limit);
}

/**
 * OpenAI: capacity = limit, refilled evenly. Its reset headers show it, e.g. 120 ms after one of 500 a minute
 * (community.openai.com/t/541210).
 */
function tokenBucket({ limit, windowMs }: Limit): Meter {
  // Fractions add up to a hair less than a whole token.
  const hair = limit * 1e-9;
  let level = limit;
  let since = -Infinity;
  const at = (now: number): number =>
    since === -Infinity ? limit : Math.min(limit, level + (Math.max(0, now - since) * limit) / windowMs);
  return {
    limit,
    remaining: (now) => Math.max(0, at(now)),
    resetMs: (now) => ((limit - at(now)) * windowMs) / limit,
    waitMs(now, cost) {
      if (cost > limit) return Infinity;
      const missing = cost - at(now);
      return missing <= hair ? 0 : (missing * windowMs) / limit;
    },
    take(now, cost) {
      level = Math.max(0, at(now) - cost);
      since = Math.max(since, now);
    },
  };
}

function fixedWindow({ limit, windowMs, phaseMs }: Limit): Meter {
  let current = -Infinity;
  let used = 0;
  const index = (now: number): number => Math.floor((now - phaseMs) / windowMs);
  const usedAt = (now: number): number => (index(now) > current ? 0 : used);
  const untilNext = (now: number): number => (index(now) + 1) * windowMs + phaseMs - now;
  return {
    limit,
    remaining: (now) => limit - usedAt(now),
    resetMs: (now) => (usedAt(now) === 0 ? 0 : untilNext(now)),
    waitMs(now, cost) {
      if (cost > limit) return Infinity;
      return usedAt(now) + cost <= limit ? 0 : untilNext(now);
    },
    take(now, cost) {
      used = usedAt(now) + cost;
      current = Math.max(current, index(now));
    },
  };
}

function slidingLog({ limit, windowMs }: Limit): Meter {
  let entries: { at: number; cost: number }[] = [];
  let oldest = 0;
  let used = 0;
  const forget = (now: number): void => {
    while (oldest < entries.length && now - entries[oldest]!.at >= windowMs) used -= entries[oldest++]!.cost;
    if (oldest < 1024 || oldest * 2 < entries.length) return;
    entries = entries.slice(oldest);
    oldest = 0;
  };
  return {
    limit,
    remaining(now) {
      forget(now);
      return limit - used;
    },
    resetMs(now) {
      forget(now);
      return oldest === entries.length ? 0 : entries.at(-1)!.at + windowMs - now;
    },
    waitMs(now, cost) {
      if (cost > limit) return Infinity;
      forget(now);
      let over = used + cost - limit;
      let last = oldest;
      while (over > 0 && last < entries.length) over -= entries[last++]!.cost;
      return last === oldest ? 0 : entries[last - 1]!.at + windowMs - now;
    },
    take(now, cost) {
      forget(now);
      if (cost === 0) return;
      entries.push({ at: now, cost });
      used += cost;
    },
  };
}
