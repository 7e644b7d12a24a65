/** Other ways to share a limit, under the same fleet: for comparison, and to show that the simulation finds what is wrong. */
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { Limits } from './scenario.ts';
import type { Answer, Store } from './store.ts';

const MINUTE = 60_000;

/**
 * rate-limiter-flexible's RateLimiterRedis as it is shipped, one limiter of requests and one of tokens, each call asking both.
 * What a call did not use is given back with its `reward`, what it used beyond is charged with `penalty`. A refused call stays
 * charged, as it is shipped; with `returning` the caller gives that back too.
 */
export function fixedWindow(limits: Limits, client: unknown, { seconds = MINUTE / 1_000, returning = false } = {}): Store {
  const limiter = (points: number, keyPrefix: string): RateLimiterRedis =>
    new RateLimiterRedis({ storeClient: client, points, duration: seconds, keyPrefix });
  const requests = limiter(limits.requests, 'r');
  const tokens = limiter(limits.tokens, 't');
  const reserved = new Map<string, { requests: number; tokens: number }>();
  return {
    async reserve(id, amounts) {
      const refusals = await Promise.all([refusal(requests.consume('m', amounts.requests)), refusal(tokens.consume('m', amounts.tokens))]);
      const waits = refusals.filter((each) => each !== undefined);
      if (waits.length > 0) {
        if (returning) await Promise.all([correct(requests, -amounts.requests), correct(tokens, -amounts.tokens)]);
        return { admitted: false, waitMs: Math.max(...waits) };
      }
      reserved.set(id, amounts);
      return { admitted: true, waitMs: 0 };
    },
    async settle(id, actual) {
      const was = reserved.get(id)!;
      reserved.delete(id);
      await correct(requests, actual.requests - was.requests);
      await correct(tokens, actual.tokens - was.tokens);
    },
  };
}

async function correct(limiter: RateLimiterRedis, difference: number): Promise<void> {
  if (difference < 0) await limiter.reward('m', -difference);
  if (difference > 0) await limiter.penalty('m', difference);
}

/** Milliseconds to wait if it was refused; other errors are errors. */
async function refusal(asked: Promise<RateLimiterRes>): Promise<number | undefined> {
  try {
    await asked;
    return undefined;
  } catch (error) {
    if (error instanceof RateLimiterRes) return error.msBeforeNext;
    throw error;
  }
}

/** Redis under a virtual clock, as far as RateLimiterRedis' one script goes: SET key 0 EX s NX, INCRBY, PTTL. */
export function redisOf(clock: () => number): unknown {
  const keys = new Map<string, { value: number; until: number }>();
  return {
    status: 'ready',
    defineCommand: () => undefined,
    async rlflxIncr([key, points, seconds]: [string, string, string]): Promise<[number, number]> {
      const now = Math.floor(clock());
      let entry = keys.get(key);
      if (!entry || entry.until <= now) {
        entry = { value: 0, until: now + 1_000 * Number(seconds) };
        keys.set(key, entry);
      }
      entry.value += Number(points);
      return [entry.value, entry.until - now];
    },
  };
}

/** Counts this minute and, weighted by how much of it is still in the last 60 s, the one before. */
export function twoBuckets(limits: Limits, windowMs = MINUTE): Store {
  const counts = new Map<number, { requests: number; tokens: number }>();
  const reserved = new Map<string, { bucket: number; requests: number; tokens: number }>();
  const countOf = (bucket: number) => {
    const count = counts.get(bucket) ?? { requests: 0, tokens: 0 };
    counts.set(bucket, count);
    counts.delete(bucket - 2);
    return count;
  };
  return {
    reserve(id, amounts, now): Answer {
      const bucket = Math.floor(now / windowMs);
      const before = countOf(bucket - 1);
      const count = countOf(bucket);
      const weight = 1 - (now - bucket * windowMs) / windowMs;
      const fits = (of: keyof Limits): boolean => before[of] * weight + count[of] + amounts[of] <= limits[of];
      if (!fits('requests') || !fits('tokens')) return { admitted: false, waitMs: 0 };
      count.requests += amounts.requests;
      count.tokens += amounts.tokens;
      reserved.set(id, { bucket, ...amounts });
      return { admitted: true, waitMs: 0 };
    },
    settle(id, actual) {
      const was = reserved.get(id)!;
      reserved.delete(id);
      const count = counts.get(was.bucket);
      if (!count) return;
      count.requests -= was.requests - actual.requests;
      count.tokens -= was.tokens - actual.tokens;
    },
  };
}
