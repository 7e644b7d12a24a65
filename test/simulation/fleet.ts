/** Pods that share one store and one upstream, over a network that takes its time. */
import { seeded } from '../../src/simulator/random.ts';
import { WINDOW } from '../../src/wire/window.ts';
import type { Arrival, Judge } from './provider.ts';
import { between, drawCall, exponential, type Call, type Load, type Random, type Scenario } from './scenario.ts';
import type { Answer, Store } from './store.ts';
import { VirtualTime } from './virtual-time.ts';

/** Milliseconds, one way. Two ways to the upstream differ by less than what decision 0002 leaves for it, 500 ms. */
const TO_STORE = [0.1, 20] as const;
const TO_UPSTREAM = [1, 400] as const;
/** A busy pod writes late now and then, also too late. */
const LATE = { share: 0.05, mostMs: 900 };
/** New calls keep coming, whatever the last refusal said of waiting. */
const RETRY_MS = 500;
/** In bursts; then the call has gone elsewhere. */
const TRIES = 5;

export interface Run {
  readonly arrivals: readonly Arrival[];
  readonly judges: readonly Judge[];
  readonly startedAt: number;
  /** Reservations that had become too old to be written. */
  readonly stale: number;
}

export interface Setting {
  /** @param clock virtual milliseconds, for a store that has its own */
  readonly store: (clock: () => number) => Store;
  readonly judges?: readonly Judge[];
}

/**
 * The load and the network draw from chance apart: whatever the store answers, the same calls come, in bursts at the same
 * times, with a backlog in the same order.
 */
export async function simulate(scenario: Scenario, { store, judges = [] }: Setting): Promise<Run> {
  const { seed, pods, load, lengthMs } = scenario;
  const chance = { load: seeded(seed ^ 0x10ad), network: seeded(seed ^ 0x5eed) };
  const startedAt = Math.floor(1.7e12 + chance.load() * 1e9);
  const time = new VirtualTime(startedAt);
  const fleet = new Fleet(scenario, { store: store(() => time.now), judges, chance, time });
  const phases = load.kind === 'bursts' && load.together ? drawPhases(load, chance.load, lengthMs) : undefined;
  for (let pod = 0; pod < pods; pod += 1) {
    if (load.kind === 'bursts') fleet.bursts(load, phases ?? drawPhases(load, chance.load, lengthMs));
    else for (let i = 0; i < load.workers; i += 1) time.after(chance.network() * 20, () => fleet.work());
  }
  await time.run(startedAt + lengthMs);
  return { arrivals: fleet.arrivals, judges, startedAt, stale: fleet.stale };
}

type Bursts = Extract<Load, { kind: 'bursts' }>;
type Phase = readonly [from: number, to: number];

function drawPhases({ onMs, offMs }: Bursts, random: Random, lengthMs: number): Phase[] {
  const phases: Phase[] = [];
  for (let at = random() * 5_000; at < lengthMs; at += between(random, 0.5, 1.5) * offMs) {
    const from = at;
    at += between(random, 0.5, 1.5) * onMs;
    phases.push([from, at]);
  }
  return phases;
}

interface World {
  readonly store: Store;
  readonly judges: readonly Judge[];
  readonly chance: { readonly load: Random; readonly network: Random };
  readonly time: VirtualTime;
}

class Fleet {
  readonly arrivals: Arrival[] = [];
  stale = 0;
  readonly #world: World;
  readonly #scenario: Scenario;
  #ids = 0;

  constructor(scenario: Scenario, world: World) {
    this.#scenario = scenario;
    this.#world = world;
  }

  /** A worker with a backlog: the next call as soon as this one is away. */
  work(): void {
    this.#attempt(this.#draw(), Infinity, () => this.work());
  }

  bursts({ perSecond, persistent }: Bursts, phases: readonly Phase[]): void {
    const { chance, time } = this.#world;
    const { load } = chance;
    for (const [from, to] of phases) {
      for (let at = from + exponential(load, 1_000 / perSecond); at < to; at += exponential(load, 1_000 / perSecond)) {
        time.after(at, () => this.#attempt(this.#draw(), persistent ? TRIES : 1, () => undefined));
      }
    }
  }

  #draw(): Call {
    return drawCall(this.#world.chance.load, this.#scenario.sizes);
  }

  #attempt(call: Call, tries: number, away: () => void): void {
    const { store, chance: { network }, time } = this.#world;
    const id = `${(this.#ids += 1)}`;
    const sentAt = time.now;
    const again = (): void => this.#attempt(call, tries - 1, away);
    const answered = (answer: Answer, decidedAt: number): void => {
      if (answer.admitted) {
        time.after(this.#delayInPod(), () => this.#write(id, { call, decidedAt, sentAt, again, away }));
        return;
      }
      if (tries > 1) time.after(retryMs(answer) + network() * 50, again);
    };
    time.after(between(network, ...TO_STORE), () => {
      const decidedAt = time.now;
      const reply = (answer: Answer): void => time.after(between(network, ...TO_STORE), () => answered(answer, decidedAt));
      const answer = store.reserve(id, { requests: 1, tokens: call.reserved }, decidedAt);
      return answer instanceof Promise ? answer.then(reply) : reply(answer);
    });
  }

  #write(id: string, { call, decidedAt, sentAt, again, away }: Admitted): void {
    const { judges, chance: { network }, time } = this.#world;
    if (time.now - sentAt > WINDOW.maxAgeMs) {
      this.stale += 1;
      this.#settle(id, { requests: 0, tokens: 0 });
      again();
      return;
    }
    time.after(between(network, ...TO_UPSTREAM), () => {
      this.arrivals.push({ ...call, at: time.now, decidedAt });
      for (const each of judges) each.arrive(call, time.now);
      time.after(call.durationMs, () => this.#settle(id, { requests: 1, tokens: call.actual }));
    });
    away();
  }

  #settle(id: string, actual: { requests: number; tokens: number }): void {
    const { store, chance: { network }, time } = this.#world;
    time.after(between(network, ...TO_STORE), () => store.settle(id, actual, time.now));
  }

  #delayInPod(): number {
    const { network } = this.#world.chance;
    return network() < LATE.share ? network() * LATE.mostMs : network() * 3;
  }
}

function retryMs({ waitMs }: Answer): number {
  return waitMs <= 0 ? RETRY_MS : Math.max(5, Math.min(RETRY_MS, waitMs));
}

interface Admitted {
  readonly call: Call;
  readonly decidedAt: number;
  readonly sentAt: number;
  readonly again: () => void;
  readonly away: () => void;
}
