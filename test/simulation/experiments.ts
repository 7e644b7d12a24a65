/** The experiments, each with a seed and plain parameters in and plain figures out, so that a thread can run them. */
import { seeded } from '../../src/simulator/random.ts';
import { window, type WindowShape } from '../../src/wire/window.ts';
import { simulate } from './fleet.ts';
import { overrunShare, predictedUse, turnMs, use, wholeTurns, worst, worstProduced, worstShare } from './measure.ts';
import { fixedWindow, redisOf, twoBuckets } from './peers.ts';
import { judge, minuteJudges, type Judge } from './provider.ts';
import { drawScenario, type Limits, type Scenario, type Sizes } from './scenario.ts';
import { spillway, type Store } from './store.ts';

export const MINUTE: WindowShape = window();

/** Ways to share a limit of a minute. */
export const CONTENDERS = {
  spillway: (limits: Limits) => (): Store => spillway({ window: MINUTE, limits }),
  withoutSlack: (limits: Limits) => (): Store => spillway({ window: { stepMs: 1_000, steps: 60 }, limits }),
  fixedWindow: (limits: Limits) => (clock: () => number): Store => fixedWindow(limits, redisOf(clock)),
  fixedWindowReturning: (limits: Limits) => (clock: () => number): Store => fixedWindow(limits, redisOf(clock), { returning: true }),
  twoBuckets: (limits: Limits) => (): Store => twoBuckets(limits),
};
export type Contender = keyof typeof CONTENDERS;

/** The bucket of a provider that counts what a call may use at most, and gives nothing back. */
export const KEEPS = 'token-bucket of reservations';

const namesOf = (judges: readonly Judge[]): string[] => judges.filter(({ refused }) => refused > 0).map(({ name }) => name);

export interface AnyLoad {
  readonly contender: Contender;
  /** Reserved / used. As drawn unless told: 1 or more. */
  readonly estimate?: readonly [number, number];
}

/** Any fleet, any load, in front of every kind of provider. */
async function anyLoad(seed: number, { contender, estimate }: AnyLoad) {
  const drawn = drawScenario(seed);
  const scenario = estimate ? { ...drawn, sizes: { ...drawn.sizes, estimate } } : drawn;
  const { limits } = scenario;
  const judges = [
    ...minuteJudges(limits, Math.floor(seeded(seed)() * 60_000)),
    judge({ name: KEEPS, kind: 'token-bucket', limits, counts: 'reserved' }),
  ];
  const { arrivals, stale } = await simulate(scenario, { store: CONTENDERS[contender](limits), judges });
  const covered = arrivals.map((call) => ({ ...call, actual: Math.min(call.actual, call.reserved) }));
  return {
    arrived: arrivals.length,
    stale,
    worst: worstShare(arrivals, limits),
    /** Without what calls used beyond their reservations. */
    worstCovered: worstShare(covered, limits),
    worstProduced: worstProduced(arrivals, limits.tokens),
    refusing: namesOf(judges).filter((name) => name !== KEEPS),
    refused: Object.fromEntries(judges.map(({ name, refused }) => [name, refused])),
  };
}

const KNOWN: Sizes = { median: 800, sigma: 1, largest: 2_000, estimate: [1, 1], streams: 0 };

export interface Backlog {
  readonly contender: Contender;
  readonly limits: Limits;
  readonly sizes?: Partial<Sizes>;
  readonly turns?: number;
}

/** There is always more to do than the limits allow. */
async function backlog(seed: number, { contender, limits, sizes, turns = 8 }: Backlog) {
  const scenario: Scenario = {
    seed,
    pods: 2 + (seed % 7) * 3,
    limits,
    sizes: { ...KNOWN, ...sizes },
    load: { kind: 'backlog', workers: 2 },
    // Two before anything is counted, and the part of one before the first.
    lengthMs: (turns + 2.5) * turnMs(MINUTE),
  };
  const run = await simulate(scenario, { store: CONTENDERS[contender](limits) });
  return {
    use: use(run, wholeTurns(run, MINUTE, scenario.lengthMs), limits),
    predicted: predictedUse(run, MINUTE, limits.tokens),
    overrun: overrunShare(run.arrivals),
    worst: worstShare(run.arrivals, limits),
  };
}

export interface Slices {
  /** "600 a minute" is enforced as 100 in 10 s, or 10 in 1 s. */
  readonly sliceMs: number;
  readonly perSlice: number;
  /** What the budget has. */
  readonly shape: WindowShape;
  readonly limit: number;
}

/** A provider that limits requests in slices shorter than a minute. */
async function slices(seed: number, { sliceMs, perSlice, shape, limit }: Slices) {
  const drawn = drawScenario(seed);
  const load = drawn.load.kind === 'bursts' ? { ...drawn.load, perSecond: 100 / drawn.pods } : drawn.load;
  const scenario: Scenario = { ...drawn, load, limits: { requests: limit, tokens: Infinity }, lengthMs: 150_000 };
  const limits = { requests: perSlice };
  const phaseMs = Math.floor(seeded(seed)() * sliceMs);
  const kinds = ['fixed-minute', 'sliding-log', 'token-bucket'] as const;
  const judges = kinds.map((kind) => judge({ kind, limits, windowMs: sliceMs, phaseMs }));
  const store = () => spillway({ window: shape, limits: { requests: limit } });
  const run = await simulate(scenario, { store, judges });
  return {
    worst: worst(run.arrivals, sliceMs).requests,
    arrived: run.arrivals.length,
    refusing: namesOf(judges),
    use: use(run, wholeTurns(run, shape, scenario.lengthMs), { requests: limit, tokens: Infinity }, sliceMs),
  };
}

export const EXPERIMENTS = { anyLoad, backlog, slices };
export type Experiments = typeof EXPERIMENTS;
