/** What a simulated fleet has to do: limits, sizes of calls, and when they come. All of it follows from a seed. */
import { seeded } from '../../src/simulator/random.ts';

export interface Limits {
  readonly requests: number;
  readonly tokens: number;
}

export interface Sizes {
  /** Tokens of the call in the middle; sizes are log-normal. */
  readonly median: number;
  readonly sigma: number;
  /** No call reserves more. */
  readonly largest: number;
  /** What is reserved is 1 to so many times what is used. Below 1: some calls use more than they reserved. */
  readonly estimate: readonly [number, number];
  /** This share of the calls are streams of 10 s to two minutes; the others take up to 10 s. */
  readonly streams: number;
}

export type Load =
  /** Every worker of every pod always has a call waiting. */
  | { readonly kind: 'backlog'; readonly workers: number }
  /** Nothing for a while, then more than the limits allow, again and again. */
  | {
      readonly kind: 'bursts';
      readonly onMs: number;
      readonly offMs: number;
      /** Of one pod, while on. */
      readonly perSecond: number;
      /** All pods are on at the same time. */
      readonly together: boolean;
      /** A call without room is tried again; otherwise it has gone elsewhere. */
      readonly persistent: boolean;
    };

export interface Scenario {
  readonly seed: number;
  readonly pods: number;
  readonly limits: Limits;
  readonly sizes: Sizes;
  readonly load: Load;
  readonly lengthMs: number;
}

export interface Call {
  /** Tokens set aside when it is decided. */
  readonly reserved: number;
  /** Tokens that the provider counts. */
  readonly actual: number;
  /** From its arrival at the provider until its use is known. */
  readonly durationMs: number;
}

export type Random = () => number;

export const between = (random: Random, low: number, high: number): number => low + random() * (high - low);
export const exponential = (random: Random, mean: number): number => -mean * Math.log(1 - random());
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)]!;

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export function drawCall(random: Random, { median, sigma, largest, estimate, streams }: Sizes): Call {
  const size = median * Math.exp(sigma * normal(random));
  const reserved = Math.max(1, Math.min(largest, Math.round(size)));
  const actual = Math.max(1, Math.round(reserved / between(random, ...estimate)));
  const durationMs = random() < streams ? between(random, 10_000, 120_000) : between(random, 50, 10_000);
  return { reserved, actual, durationMs };
}

/** A fleet drawn at random. The estimates are upper bounds. */
export function drawScenario(seed: number): Scenario {
  const random = seeded(seed);
  const pods = 2 + Math.floor(random() * 19);
  const requests = Math.round(Math.exp(between(random, Math.log(10), Math.log(600))));
  const median = pick(random, [50, 500, 3_000]);
  // Either limit may be the one that binds.
  const tokens = Math.round(requests * median * between(random, 0.4, 3)) + 100;
  const sizes: Sizes = {
    median,
    sigma: between(random, 0, 1.5),
    largest: Math.max(1, Math.floor(tokens * between(random, 0.02, 0.5))),
    estimate: [1, pick(random, [1, 1, 1.5, 4])],
    streams: pick(random, [0, 0.1, 0.5]),
  };
  return { seed, pods, limits: { requests, tokens }, sizes, load: drawLoad(random, pods, requests), lengthMs: 300_000 };
}

function drawLoad(random: Random, pods: number, requests: number): Load {
  if (random() < 0.3) return { kind: 'backlog', workers: 1 + Math.floor(random() * 3) };
  const onMs = Math.exp(between(random, Math.log(200), Math.log(40_000)));
  // As much as 1 to 5 times the limit a minute, or all of it in one burst, whichever is more.
  const perMs = between(random, 1, 5) * Math.max(requests / 60_000, Math.min(requests / onMs, 0.2));
  return {
    kind: 'bursts',
    onMs,
    offMs: between(random, 1_000, 65_000),
    perSecond: Math.max(0.05, (perMs * 1_000) / pods),
    together: random() < 0.6,
    persistent: random() < 0.3,
  };
}
