/**
 * Budgets shared through Redis. Redis decides while it answers; while it does not, this pod decides by its share of each
 * limit, at once. Its own admissions are kept here too, so that the last minute's use counts against the share, and so that
 * Redis can be told when it is back.
 */
import { Alone, type AloneMode } from './alone.ts';
import { Collector, type Question } from './collector.ts';
import { createCommands, type Commands, type RedisClient } from './commands.ts';
import { Homecoming } from './homecoming.ts';
import { INTERVALS, type Intervals } from './intervals.ts';
import { Ledger, type Live } from './ledger.ts';
import { ChainLimiter } from './limiter.ts';
import { Link, type BudgetsEvent } from './link.ts';
import * as local from './model.ts';
import type { Held, NewEpoch, OpResult } from './ops.ts';
import { Outbox, PATIENCE_MS } from './outbox.ts';
import { FORGOTTEN_MS } from './process.ts';
import { safeMessage } from './safe-message.ts';
import { loadScripts } from './scripts.ts';
import { realTimers, within, type Timers } from './timers.ts';
import type { Actual, Ask, Budgets, BudgetsState, Candidate, Decision, Report, ReserveOptions, Subjects, Usage, WindowShape } from './types.ts';
import { usageInParts } from './usage.ts';
import { ringSize } from '../wire/window.ts';

export interface RedisBudgetsOptions {
  /** `close` ends it. */
  readonly client: RedisClient;
  readonly keyPrefix: string;
  readonly window: WindowShape;
  readonly pod: string;
  /** Until Redis has granted a share, this pod takes 1/maxPods. */
  readonly maxPods?: number;
  readonly whenRedisIsDown?: AloneMode;
  /** How long a request waits for Redis before this pod decides. */
  readonly timeoutMs?: number;
  /** Milliseconds since 1970, never going back. */
  readonly clock?: () => number;
  readonly timers?: Timers;
  readonly intervals?: Partial<Intervals>;
  readonly onEvent?: (event: BudgetsEvent) => void;
  /** Never to be seen in an error's text. */
  readonly secrets?: () => readonly string[];
}

const BEAT_BATCH = 200;
const MILLION = 1_000_000;
/** How long an emptied Redis decides nothing, in beats: each pod's next beat tells it what was used. */
const LEARN = 1.5;
const ENFORCED: ReserveOptions = { enforce: true };

/** Redis answered, and took no decision. */
const UNDECIDED = new Error('Redis takes no decisions yet');

export class RedisBudgets implements Budgets {
  readonly #options: Required<Pick<RedisBudgetsOptions, 'pod' | 'timeoutMs' | 'client'>>;
  readonly #commands: Commands;
  readonly #link: Link;
  readonly #outbox: Outbox;
  readonly #collector: Collector;
  readonly #ledger: Ledger;
  readonly #alone: Alone;
  readonly #homecoming: Homecoming;
  readonly #clock: () => number;
  readonly #timers: Timers;
  readonly #intervals: Intervals;
  #pods: number;
  #epoch = '';
  #newestBeat = 0;

  constructor(options: RedisBudgetsOptions) {
    const { client, keyPrefix, window, pod, maxPods = 10, whenRedisIsDown = 'share', timeoutMs = 50, secrets = () => [], onEvent = () => undefined } = options;
    this.#intervals = { ...INTERVALS, ...options.intervals };
    const { leaseMs, recordMs, beatMs, retryMs } = this.#intervals;
    this.#options = { client, pod, timeoutMs };
    this.#pods = maxPods;
    const clock = options.clock ?? (() => performance.timeOrigin + performance.now());
    this.#clock = () => Math.floor(clock());
    this.#timers = options.timers ?? realTimers;
    this.#ledger = new Ledger(window, leaseMs);
    this.#alone = new Alone(this.#ledger, whenRedisIsDown, window.stepMs * ringSize(window), 1 / maxPods);
    this.#commands = createCommands({ client, scripts: loadScripts(), keyPrefix, window, leaseMs, recordMs });
    this.#outbox = new Outbox({
      apply: (ops) => this.#commands.apply(ops, this.#epoch),
      isUp: () => this.#link.isUp,
      onFailure: (error) => this.#link.failed(error),
      timeoutMs,
      timers: this.#timers,
      clock: this.#clock,
      maxAgeMs: recordMs,
    });
    this.#homecoming = new Homecoming({ clock: this.#clock, timers: this.#timers, retryMs, tell: () => this.#tell(), beat: () => void this.#link.tick() });
    const limiter = new ChainLimiter({
      client,
      ask: (questions) => this.#ask(questions),
      alone: (question) => this.#alone.decide(question.id, question.candidates, question, this.#clock()),
    });
    this.#collector = new Collector({
      decide: (questions) => limiter.decide(questions),
      settle: (id, actual, report) => this.settle(id, actual, report),
      timers: this.#timers,
    });
    this.#link = new Link({
      isReady: () => client.status === 'ready',
      beat: () => this.#beat(),
      onBeat: (awayMs) => this.#beaten(awayMs),
      onEvent,
      message: (error) => safeMessage(error, secrets()),
      clock: this.#clock,
      timers: this.#timers,
      beatMs,
      retryMs,
    });
    client.on('error', (error: unknown) => this.#link.failed(error));
    client.on('close', () => this.#link.disconnected());
    client.on('ready', () => void this.#link.tick());
    if (client.status === 'ready') void this.#link.tick();
  }

  /** Resolves when Redis answers for the first time, or when it is known that it does not. */
  started(): Promise<void> {
    return this.#link.settled();
  }

  reserve(id: string, candidates: readonly Candidate[], options: ReserveOptions = ENFORCED): Decision | Promise<Decision> {
    const known = this.#ledger.recall(id);
    if (known) return known;
    if (this.#mayAsk()) return this.#collector.ask(id, candidates, options.enforce);
    return this.#alone.decide(id, candidates, options, this.#clock());
  }

  settle(id: string, actual: Actual, report?: Report): void {
    const live = this.#ledger.settle(id, actual, report, this.#clock());
    if (!live) this.#collector.settle(id, actual, report);
    else if (live.told) this.#outbox.tell({ kind: 'settle', id, budgets: [live.candidate.budget], actual, report });
  }

  report(id: string, report: Report): void {
    const live = this.#ledger.live.get(id);
    if (!live) return;
    local.report(this.#ledger.own, id, report, this.#clock());
    if (live.told && this.#link.isUp) this.#outbox.tell({ kind: 'report', id, budgets: [live.candidate.budget], report });
  }

  follow(id: string, soFar: () => Actual): void {
    const live = this.#ledger.live.get(id);
    if (live) live.soFar = soFar;
  }

  /** While Redis is away: this pod's own use, of its share. */
  async usage(subjects: Subjects): Promise<Usage> {
    try {
      return await usageInParts(subjects, (part) => {
        if (!this.#link.isUp) throw new Error('Redis is away');
        return this.#patiently(this.#commands.usage(part));
      });
    } catch {
      return this.#alone.usage(subjects, this.#clock());
    }
  }

  unsettled(): number {
    return this.#collector.size + this.#ledger.live.size;
  }

  state(): BudgetsState {
    const up = this.#link.isUp;
    return { mode: 'redis', up, degraded: !up || !this.#homecoming.isOver, pods: this.#pods, lastError: this.#link.lastError };
  }

  async close(): Promise<void> {
    await this.#idle();
    const { isUp } = this.#link;
    if (isUp) {
      for (const op of this.#ledger.tell(this.#clock())) this.#outbox.tell(op);
      await this.#outbox.drain();
      await this.#idle();
    }
    // Before the pod leaves, or another beat would bring it back.
    this.#link.close();
    if (isUp) await this.#patiently(this.#commands.beat(this.#options.pod, 0, [], this.#newEpoch())).catch(() => undefined);
    this.#options.client.disconnect();
  }

  async #idle(): Promise<void> {
    await this.#collector.idle();
    await this.#outbox.idle();
  }

  /** If not, this pod decides, and tells so at once to a Redis that answers. */
  #mayAsk(): boolean {
    if (!this.#link.isUp) return false;
    if (this.#homecoming.isOver) return true;
    this.#homecoming.decided();
    return false;
  }

  /** The one round trip on the requests' way. Rejects when Redis leaves one of them undecided. */
  async #ask(questions: readonly Question[]): Promise<void> {
    // Redis may have gone away since.
    if (!this.#mayAsk()) throw UNDECIDED;
    const results = await this.#outbox.ask(questions);
    const now = this.#clock();
    for (let i = 0; i < questions.length; i += 1) this.#decided(questions[i]!, results[i]!, now);
    if (results.includes('other_epoch')) void this.#link.tick();
    if (questions.some(({ decision }) => !decision)) throw UNDECIDED;
  }

  #decided(question: Question, result: OpResult, now: number): void {
    if (typeof result !== 'object') return;
    const { id, candidates } = question;
    const candidate = candidates[result.chosen];
    if (candidate) this.#ledger.adopt(id, candidate, result, now);
    this.#alone.learn(candidates, result, now);
    question.decision = result;
  }

  /** Tells Redis that this pod lives and which reservations it still holds; learns its share, and whether Redis was emptied. */
  async #beat(): Promise<void> {
    const { pod, timeoutMs } = this.#options;
    const held = this.#held(this.#clock());
    let at = 0;
    do {
      const sentAt = this.#clock();
      const part = held.slice(at, at + BEAT_BATCH);
      const beat = this.#commands.beat(pod, this.#intervals.podMs, part, this.#newEpoch());
      const answer = await within(beat, timeoutMs, this.#timers, this.#clock);
      // Not before: of a beat that was lost the leases are not renewed.
      for (const { id } of part) this.#ledger.renewed(id, sentAt);
      this.#pods = Math.max(1, answer.pods);
      const now = this.#clock();
      if (this.#epoch !== '' && this.#epoch !== answer.epoch) {
        this.#ledger.emptied(now);
        this.#outbox.forget();
      }
      this.#epoch = answer.epoch;
      this.#newestBeat = answer.newest;
      this.#homecoming.learn(answer.learningMs);
      // The first to come back to an emptied Redis is granted what the others still use: until all are back the old grants hold.
      if (this.#link.isUp && this.#homecoming.isOver) this.#alone.grant = answer.grant / MILLION;
      for (const { id, budget } of answer.orphans) this.#outbox.tell({ kind: 'orphan', id, budgets: [budget] });
      at += BEAT_BATCH;
    } while (at < held.length);
  }

  /** Also asks the long calls what they have used so far. */
  #held(now: number): Held[] {
    const held: Held[] = [];
    for (const [id, live] of this.#ledger.live) {
      // One that never ended: a leak somewhere must not fill the memory.
      if (now - live.since > FORGOTTEN_MS) this.#ledger.live.delete(id);
      else {
        this.#followUp(id, live, now);
        if (!live.told || now - live.renewed < this.#intervals.leaseMs / 3) continue;
        const hasSlot = live.candidate.asks.some(({ dimension }) => dimension === 'concurrency');
        held.push({ id, slotOf: hasSlot ? live.candidate.budget : null });
      }
    }
    return held;
  }

  #followUp(id: string, { candidate, soFar, told }: Live, now: number): void {
    const actual = soFar?.();
    if (!actual) return;
    this.#ledger.extend(id, actual, now);
    const isBeyond = ({ dimension, amount }: Ask) => dimension.startsWith('cost_') || (actual[dimension] ?? 0) > amount;
    if (told && this.#link.isUp && candidate.asks.some(isBeyond)) this.#outbox.tell({ kind: 'extend', id, budgets: [candidate.budget], actual });
  }

  /** After each beat that was answered. @param awayMs how long Redis was away before it, 0 if it was not */
  #beaten(awayMs: number): void {
    if (awayMs > 0) this.#homecoming.begin();
    void this.#outbox.drain();
    this.#tell();
  }

  /** What this pod decided alone. */
  #tell(): void {
    if (!this.#link.isUp) return;
    const now = this.#clock();
    for (const op of this.#homecoming.isLearning ? this.#ledger.tellUse(now) : this.#ledger.tell(now)) {
      const live = op.kind === 'reserve' && this.#ledger.live.get(op.id);
      if (live) this.#outbox.tell(op, (result) => this.#ledger.heard(op.id, live, result, this.#clock()));
      else this.#outbox.tell(op);
    }
  }

  #newEpoch(): NewEpoch {
    const id = `${this.#options.pod}.${this.#clock()}`;
    return { id, learnMs: this.#epoch === '' ? 0 : Math.ceil(this.#intervals.beatMs * LEARN), after: this.#newestBeat };
  }

  #patiently<T>(work: Promise<T>): Promise<T> {
    return within(work, PATIENCE_MS, this.#timers, this.#clock);
  }
}

export function createRedisBudgets(options: RedisBudgetsOptions): RedisBudgets {
  return new RedisBudgets(options);
}
