/**
 * The way to Redis: what one turn of the event loop has to say leaves as one script call. A request waits for its own answer
 * and no longer than the time-out; what nobody waits for is kept while Redis is away, and told in order when it is back.
 */
import type { Op, OpResult } from './ops.ts';
import { within, type Timers } from './timers.ts';

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
  readonly at: number;
  /** Its place among all; what failed goes back to it. */
  readonly turn: number;
  /** Goes out even while Redis is away. */
  readonly isUrgent: boolean;
  /** Undefined: nobody waits. */
  readonly resolve: ((result: OpResult) => void) | undefined;
  readonly reject: ((error: unknown) => void) | undefined;
}

export class Outbox {
  readonly #options: OutboxOptions;
  #underWay = 0;
  #idle: (() => void)[] = [];
  #queue: Entry[] = [];
  #asked = false;
  #cancel: (() => void) | undefined;
  #kept: Entry[] = [];
  #draining: Promise<void> | undefined;
  #turn = 0;
  /** What is older is not kept. */
  #forgotten = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Rejects when Redis does not answer in time; it may carry the operation out all the same. */
  ask(op: Op): Promise<OpResult> {
    return new Promise((resolve, reject) => {
      this.#queue.push(this.#entry(op, true, resolve, reject));
      if (this.#asked) return;
      this.#asked = true;
      this.#cancel?.();
      this.#cancel = undefined;
      this.#options.timers.afterReading(() => void this.#flush());
    });
  }

  /** @param heard what Redis answers, sooner or later; never if it is dropped */
  tell(op: Op, heard?: (result: OpResult) => void): void {
    const entry = this.#entry(op, false, heard);
    if (this.#isOpen) this.#post(entry);
    else this.#keep(entry);
  }

  /** Tries even while Redis is away: on a connection that still stands, it runs behind what was sent before. */
  tellBehind(op: Op): void {
    this.#post(this.#entry(op, true));
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
      void this.#flush();
      if (this.#underWay > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /** Behind what is kept: a settle must not overtake its reservation. */
  get #isOpen(): boolean {
    return this.#options.isUp() && this.#kept.length === 0;
  }

  #entry(op: Op, isUrgent: boolean, resolve?: Entry['resolve'], reject?: Entry['reject']): Entry {
    this.#turn += 1;
    return { op, at: this.#options.clock(), turn: this.#turn, isUrgent, resolve, reject };
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
    if (!this.#asked) this.#cancel ??= this.#options.timers.after(LINGER_MS, () => void this.#flush());
  }

  #flush(): Promise<boolean> {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#asked = false;
    // Redis may have gone away since they were told.
    const entries = this.#isOpen ? this.#queue : this.#urgentOf(this.#queue);
    this.#queue = [];
    return entries.length === 0 ? Promise.resolve(true) : this.#send(entries);
  }

  /** Never rejects. Answers whether it was heard. */
  #send(entries: readonly Entry[]): Promise<boolean> {
    const { apply, timeoutMs, timers, clock } = this.#options;
    const isAwaited = entries.some(({ reject }) => reject !== undefined);
    this.#underWay += 1;
    return within(apply(entries.map(({ op }) => op)), isAwaited ? timeoutMs : PATIENCE_MS, timers, clock).then(
      (results) => {
        for (const [i, entry] of entries.entries()) entry.resolve?.(results[i]!);
        if (this.#kept.length > 0) this.#overtook(entries, results);
        this.#over();
        return true;
      },
      (error: unknown) => {
        this.#failed(entries, error);
        this.#over();
        return false;
      },
    );
  }

  #over(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  #failed(entries: readonly Entry[], error: unknown): void {
    this.#putBack(entries.filter(({ op, reject }) => reject === undefined && (op.kind === 'settle' || op.kind === 'reserve' || op.kind === 'assert')));
    this.#options.onFailure(error);
    for (const entry of entries) entry.reject?.(error);
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
    this.#kept = this.#kept.concat(known).sort((a, b) => a.turn - b.turn);
    if (this.#kept.length > MOST_KEPT) this.#kept.splice(0, this.#kept.length - MOST_KEPT);
  }

  #keep(entry: Entry): void {
    this.#kept.push(entry);
    if (this.#kept.length > MOST_KEPT) this.#kept.shift();
  }
}
