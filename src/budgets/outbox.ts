/**
 * The way to Redis: what is told leaves with what is asked, as one script call. Who asks waits for the answer, and no longer
 * than the time-out; what nobody waits for is kept while Redis is away, and told in order when it is back.
 */
import { NOTHING } from './amounts.ts';
import type { Op, OpResult } from './ops.ts';
import { within, type Timers } from './timers.ts';

export type Reserve = Extract<Op, { kind: 'reserve' }>;

export interface OutboxOptions {
  readonly apply: (ops: readonly Op[]) => Promise<readonly OpResult[]>;
  readonly isUp: () => boolean;
  readonly onFailure: (error: unknown) => void;
  /** How long a request waits. */
  readonly timeoutMs: number;
  readonly timers: Timers;
  readonly clock: () => number;
  /** Redis has forgotten reservations that are older; what is kept of them is of no use. */
  readonly maxAgeMs: number;
}

/** How long what nobody waits for stays for a request to ride with. */
const LINGER_MS = 2;
/** How long Redis may take with what nobody waits for. */
export const PATIENCE_MS = 1_000;
/** The oldest are dropped beyond this: their refund is lost, and so is their debt. */
const MOST_KEPT = 10_000;
/** Told together when Redis is back; few enough that a reserve behind them is not late. */
const BATCH = 100;

interface Entry {
  readonly op: Op;
  /** Its place among all; what failed goes back to it. */
  readonly turn: number;
  /** Goes out even while Redis is away. */
  readonly isUrgent: boolean;
  readonly heard: ((result: OpResult) => void) | undefined;
  /** When it was kept first; 0: not yet. */
  at: number;
}

export class Outbox {
  readonly #options: OutboxOptions;
  #underWay = 0;
  #idle: (() => void)[] = [];
  #queue: Entry[] = [];
  #cancel: (() => void) | undefined;
  #kept: Entry[] = [];
  #draining: Promise<void> | undefined;
  #turn = 0;
  /** What is older is not kept. */
  #forgotten = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /**
   * Leaves at once, behind what was told. Rejects when Redis does not answer in time. It may run it yet: what it then takes
   * is given back right behind it.
   */
  ask(reserves: readonly Reserve[]): Promise<readonly OpResult[]> {
    return this.#call(this.#take(), reserves, this.#options.timeoutMs);
  }

  /** @param heard what Redis answers, sooner or later; never if it is dropped */
  tell(op: Op, heard?: (result: OpResult) => void): void {
    const entry = this.#entry(op, false, heard);
    if (this.#isOpen) this.#post(entry);
    else this.#keep(entry);
  }

  /** Tells what was kept. */
  drain(): Promise<void> {
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
    return this.#draining;
  }

  /** Nothing that was told before needs to be told again. */
  forget(): void {
    this.#kept = [];
    this.#forgotten = this.#turn;
  }

  /** Resolves when nothing is queued or under way. */
  async idle(): Promise<void> {
    while (this.#queue.length > 0 || this.#underWay > 0) {
      this.#flush();
      if (this.#underWay > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /** Behind what is kept: a settle must not overtake its reservation. */
  get #isOpen(): boolean {
    return this.#options.isUp() && this.#kept.length === 0;
  }

  #entry(op: Op, isUrgent: boolean, heard: Entry['heard']): Entry {
    this.#turn += 1;
    return { op, turn: this.#turn, isUrgent, heard, at: 0 };
  }

  async #drain(): Promise<void> {
    if (this.#kept.length === 0) return;
    this.#queue = this.#urgentOf(this.#queue);
    const oldest = this.#options.clock() - this.#options.maxAgeMs;
    this.#kept = this.#kept.filter(({ at }) => at > oldest);
    while (this.#kept.length > 0 && this.#options.isUp()) if (!(await this.#send(this.#kept.splice(0, BATCH)))) return;
  }

  #post(entry: Entry): void {
    this.#queue.push(entry);
    this.#cancel ??= this.#options.timers.after(LINGER_MS, () => this.#flush());
  }

  #flush(): void {
    const entries = this.#take();
    if (entries.length > 0) void this.#send(entries);
  }

  /** What lingers, and may leave. */
  #take(): Entry[] {
    this.#cancel?.();
    this.#cancel = undefined;
    // Redis may have gone away since they were told.
    const entries = this.#isOpen ? this.#queue : this.#urgentOf(this.#queue);
    this.#queue = [];
    return entries;
  }

  /** Never rejects. Answers whether it was heard. */
  #send(entries: readonly Entry[]): Promise<boolean> {
    return this.#call(entries, [], PATIENCE_MS).then(
      () => true,
      () => false,
    );
  }

  /** Answers what was asked. */
  async #call(told: readonly Entry[], asked: readonly Reserve[], ms: number): Promise<readonly OpResult[]> {
    const { apply, timers, clock } = this.#options;
    const ops: readonly Op[] = told.map(({ op }) => op).concat(asked);
    this.#underWay += 1;
    let results: readonly OpResult[];
    try {
      results = await within(apply(ops), ms, timers, clock);
    } catch (error) {
      this.#failed(told, asked, error);
      throw error;
    } finally {
      this.#over();
    }
    for (let i = 0; i < told.length; i += 1) told[i]!.heard?.(results[i]!);
    if (this.#kept.length > 0) this.#overtook(told, results);
    return results.slice(told.length);
  }

  #over(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  #failed(told: readonly Entry[], asked: readonly Reserve[], error: unknown): void {
    this.#putBack(told.filter(({ op }) => op.kind === 'settle' || op.kind === 'reserve' || op.kind === 'assert'));
    this.#options.onFailure(error);
    for (const reserve of asked) this.#giveBack(reserve);
  }

  /** Even while Redis is away: on a connection that still stands, it runs behind what was sent before. */
  #giveBack({ id, candidates }: Reserve): void {
    const budgets = candidates.map(({ budget }) => budget);
    this.#post(this.#entry({ kind: 'settle', id, budgets, actual: NOTHING, report: { kind: 'neutral' } }, true, undefined));
  }

  /**
   * A call that failed may have been carried out, and a later one may be heard all the same. If that settled a reservation
   * which is kept, it must not be made once more; if there was none, both are told again.
   */
  #overtook(entries: readonly Entry[], results: readonly OpResult[]): void {
    const reserved = new Map<string, Entry>();
    for (const entry of this.#kept) if (entry.op.kind === 'reserve') reserved.set(entry.op.id, entry);
    if (reserved.size === 0) return;
    for (const [i, entry] of entries.entries()) {
      const before = entry.op.kind === 'settle' ? reserved.get(entry.op.id) : undefined;
      if (!before || before.turn > entry.turn) continue;
      if (results[i] === true) this.#kept.splice(this.#kept.indexOf(before), 1);
      else this.#putBack([entry]);
    }
  }

  /** Keeps the others. */
  #urgentOf(entries: readonly Entry[]): Entry[] {
    this.#putBack(entries.filter(({ isUrgent }) => !isUrgent));
    return entries.filter(({ isUrgent }) => isUrgent);
  }

  #putBack(entries: readonly Entry[]): void {
    const known = entries.filter(({ turn }) => turn > this.#forgotten);
    if (known.length === 0) return;
    for (const entry of known) entry.at ||= this.#options.clock();
    this.#kept = this.#kept.concat(known).sort((a, b) => a.turn - b.turn);
    if (this.#kept.length > MOST_KEPT) this.#kept.splice(0, this.#kept.length - MOST_KEPT);
  }

  #keep(entry: Entry): void {
    entry.at = this.#options.clock();
    this.#kept.push(entry);
    if (this.#kept.length > MOST_KEPT) this.#kept.shift();
  }
}
