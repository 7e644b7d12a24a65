/**
 * Budgets shared through Redis. Redis decides while it answers; while it does not, this process decides by its share of
 * each limit, at once. Its own admissions are kept here too, so that the last minute's use counts against the share.
 */
import { createCommands, type Commands, type RedisClient } from './commands.ts';
import { Link, type BudgetsEvent } from './link.ts';
import * as local from './model.ts';
import { FORGOTTEN_MS } from './process.ts';
import { safeMessage } from './safe-message.ts';
import { loadScripts } from './scripts.ts';
import { Settles } from './settles.ts';
import { excuseShares, LastSeen } from './shares.ts';
import { ringSize } from '../wire/window.ts';
import { realTimers, within, type Timers } from './timers.ts';
import type { Actual, Ask, Budgets, BudgetsState, Candidate, Decision, Dimension, Level, WindowShape } from './types.ts';

export interface Intervals {
  readonly beatMs: number;
  /** A concurrency slot without a beat is given back after this. */
  readonly leaseMs: number;
  /** A pod without a beat is no longer counted after this. */
  readonly podMs: number;
  /** A reservation without settle or beat is forgotten after this. */
  readonly recordMs: number;
  /** After a failure Redis is left alone for this long, then probed. */
  readonly retryMs: number;
}

export const INTERVALS: Intervals = {
  beatMs: 5_000,
  leaseMs: 30_000,
  podMs: 15_000,
  recordMs: 600_000,
  retryMs: 500,
};

export interface RedisBudgetsOptions {
  /** `close` ends it. */
  readonly client: RedisClient;
  readonly keyPrefix: string;
  readonly window: WindowShape;
  readonly pod: string;
  /** Pods to share with while none have been seen. */
  readonly maxPods?: number;
  /** How long a request waits for Redis before this process decides. */
  readonly timeoutMs?: number;
  readonly clock?: () => number;
  readonly timers?: Timers;
  readonly intervals?: Partial<Intervals>;
  readonly onEvent?: (event: BudgetsEvent) => void;
  /** Never to be seen in an error's text. */
  readonly secrets?: readonly string[];
}

/** For what nobody waits for. */
const PATIENCE_MS = 1_000;
const BEAT_BATCH = 200;
const USAGE_BATCH = 50;
const NOTHING: Actual = { requests: 0, tokens: 0, input_tokens: 0, output_tokens: 0, concurrency: 0 };

interface Live {
  readonly budget: string;
  readonly slotOf: string | null;
  readonly since: number;
  renewed: number;
}

export class RedisBudgets implements Budgets {
  readonly #client: RedisClient;
  readonly #commands: Commands;
  readonly #link: Link;
  readonly #settles: Settles;
  readonly #model: local.Model;
  readonly #seen: LastSeen;
  readonly #pod: string;
  readonly #clock: () => number;
  readonly #timers: Timers;
  readonly #timeoutMs: number;
  readonly #intervals: Intervals;
  /** Charged in Redis and not settled yet. */
  readonly #live = new Map<string, Live>();
  /** Asked and not answered yet; with what it was settled meanwhile, if so. */
  readonly #asking = new Map<string, Actual | null>();
  #pods: number;

  constructor(options: RedisBudgetsOptions) {
    const { client, keyPrefix, window, secrets = [], onEvent = () => undefined } = options;
    this.#intervals = { ...INTERVALS, ...options.intervals };
    const { leaseMs, recordMs, beatMs, retryMs } = this.#intervals;
    this.#client = client;
    this.#pod = options.pod;
    this.#pods = options.maxPods ?? 10;
    this.#timeoutMs = options.timeoutMs ?? 50;
    const clock = options.clock ?? (() => performance.now());
    this.#clock = () => Math.floor(clock());
    this.#timers = options.timers ?? realTimers;
    this.#seen = new LastSeen(window.stepMs * ringSize(window));
    this.#model = local.createModel({ window, leaseMs: FORGOTTEN_MS, recordMs: FORGOTTEN_MS });
    this.#commands = createCommands({ client, scripts: loadScripts(), keyPrefix, window, leaseMs, recordMs });
    this.#settles = new Settles({
      send: ({ id, budgets, actual }) => this.#patiently(this.#commands.settle(id, budgets, actual)),
      isUp: () => this.#link.isUp,
      clock: this.#clock,
      maxAgeMs: recordMs,
    });
    this.#link = new Link({
      isReady: () => client.status === 'ready',
      beat: () => this.#beat(),
      // Here the outage work will first put back into Redis what was decided without it.
      onBeat: () => void this.#settles.drain(),
      onEvent,
      message: (error) => safeMessage(error, secrets),
      clock: this.#clock,
      timers: this.#timers,
      beatMs,
      retryMs,
    });
    client.on('error', (error: unknown) => {
      this.#link.failed(error);
    });
    client.on('close', () => {
      this.#link.failed(new Error('the connection to Redis closed'));
    });
    client.on('ready', () => void this.#link.tick());
    if (client.status === 'ready') void this.#link.tick();
  }

  /** Resolves when Redis answers for the first time, or when it is known that it does not. */
  started(): Promise<void> {
    return this.#link.settled();
  }

  reserve(id: string, candidates: readonly Candidate[]): Decision | Promise<Decision> {
    const known = local.recall(this.#model, id);
    if (known) return known;
    return this.#link.isUp ? this.#ask(id, candidates) : this.#decide(id, candidates);
  }

  settle(id: string, actual: Actual): void {
    if (this.#asking.has(id)) {
      this.#asking.set(id, actual);
      return;
    }
    const now = this.#clock();
    local.settle(this.#model, id, actual, now);
    const live = this.#live.get(id);
    if (!live) return;
    this.#live.delete(id);
    this.#settles.push({ id, budgets: [live.budget], actual, at: now });
  }

  /** While Redis is away: this process's own use, of its share. */
  async usage(budgets: ReadonlyMap<string, readonly Ask[]>): Promise<ReadonlyMap<string, readonly Level[]>> {
    const wanted = [...budgets];
    const found = new Map<string, readonly Level[]>();
    try {
      for (let at = 0; at < wanted.length; at += USAGE_BATCH) {
        if (!this.#link.isUp) throw new Error('Redis is away');
        const part = this.#commands.usage(new Map(wanted.slice(at, at + USAGE_BATCH)));
        for (const [name, levels] of await this.#patiently(part)) found.set(name, levels);
      }
      return found;
    } catch {
      const now = this.#clock();
      const shared = wanted.map(([name, asks]) => [name, asks.map((ask) => this.#seen.share(name, ask, this.#pods, now))] as const);
      return local.usage(this.#model, new Map(shared), now);
    }
  }

  state(): BudgetsState {
    const up = this.#link.isUp;
    return { mode: 'redis', up, degraded: !up, pods: this.#pods, lastError: this.#link.lastError };
  }

  async close(): Promise<void> {
    await this.#settles.idle();
    if (this.#link.isUp) {
      await this.#settles.drain();
      await this.#patiently(this.#commands.beat(this.#pod, 0, [])).catch(() => undefined);
    }
    this.#link.close();
    this.#client.disconnect();
  }

  /** The one round trip on the request's way. */
  async #ask(id: string, candidates: readonly Candidate[]): Promise<Decision> {
    this.#asking.set(id, null);
    let decision: Decision;
    try {
      decision = await within(this.#commands.reserve(id, candidates), this.#timeoutMs, this.#timers, this.#clock);
      this.#adopt(id, candidates, decision);
    } catch (error) {
      // Redis may run it yet: what it then takes is given back right behind it.
      const budgets = candidates.map(({ budget }) => budget);
      this.#settles.pushBehind({ id, budgets, actual: NOTHING, at: this.#clock() });
      this.#link.failed(error);
      decision = this.#decide(id, candidates);
    }
    const settled = this.#asking.get(id);
    this.#asking.delete(id);
    if (settled) this.settle(id, settled);
    return decision;
  }

  #decide(id: string, candidates: readonly Candidate[]): Decision {
    const now = this.#clock();
    const shared = candidates.map(({ budget, asks }) => ({
      budget,
      asks: asks.map((ask) => this.#seen.share(budget, ask, this.#pods, now)),
    }));
    return excuseShares(local.reserve(this.#model, id, shared, now), candidates);
  }

  #adopt(id: string, candidates: readonly Candidate[], decision: Decision): void {
    const now = this.#clock();
    // Of a budget without room no figure comes; it is full.
    for (const [i, { dimension }] of decision.refusals.entries()) {
      const { budget, asks } = candidates[i]!;
      const { limit } = asks.find((ask) => ask.dimension === dimension)!;
      this.#note(budget, dimension, limit, limit, now);
    }
    const candidate = candidates[decision.chosen];
    if (!candidate) return;
    local.adopt(this.#model, id, candidate, decision, now);
    for (const { dimension, limit, used } of decision.levels) this.#note(candidate.budget, dimension, limit, used, now);
    const hasSlot = candidate.asks.some(({ dimension }) => dimension === 'concurrency');
    const slotOf = hasSlot ? candidate.budget : null;
    this.#live.set(id, { budget: candidate.budget, slotOf, since: now, renewed: now });
  }

  #note(budget: string, dimension: Dimension, limit: number, used: number, now: number): void {
    this.#seen.note(budget, dimension, limit, used, local.used(this.#model, budget, dimension, now), this.#pods, now);
  }

  /** Tells Redis that this pod lives, and which slots and long-running reservations it still holds. */
  async #beat(): Promise<void> {
    const now = this.#clock();
    const held: local.Held[] = [];
    for (const [id, live] of this.#live) {
      if (now - live.since > FORGOTTEN_MS) this.#live.delete(id);
      else if (live.slotOf !== null || now - live.renewed > this.#intervals.recordMs / 3) {
        live.renewed = now;
        held.push({ id, slotOf: live.slotOf });
      }
    }
    let at = 0;
    do {
      const part = this.#commands.beat(this.#pod, this.#intervals.podMs, held.slice(at, at + BEAT_BATCH));
      this.#pods = Math.max(1, await within(part, this.#timeoutMs, this.#timers, this.#clock));
      at += BEAT_BATCH;
    } while (at < held.length);
  }

  #patiently<T>(work: Promise<T>): Promise<T> {
    return within(work, PATIENCE_MS, this.#timers, this.#clock);
  }
}

export function createRedisBudgets(options: RedisBudgetsOptions): RedisBudgets {
  return new RedisBudgets(options);
}
