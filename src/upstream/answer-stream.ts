import type { Writable } from 'node:stream';
import type { Failure, StreamReader } from '../providers/types.ts';
import type { HeldBytes } from '../wire/held-bytes.ts';
import { afterMark } from '../wire/plain-bytes.ts';
import { SseSplitter } from '../wire/sse.ts';
import { CUT, MALFORMED } from './failures.ts';
import { Outlet, type Tap } from './outlet.ts';
import type { LiveStream, Spent, StreamEnd } from './types.ts';

/** The longest single event; more without an end is not a stream of an answer. */
const EVENT_LIMIT = 8 * 1024 * 1024;
/** Longer answers are given out as they come: they can then no longer be answered by another model. */
export const HOLD_LIMIT = 8 * 1024 * 1024;

export interface StreamHooks extends Tap {
  /** The first content is here. */
  onContent(): void;
  /** From now on this model's answer is the answer. */
  onDue(): void;
  /** It cannot go on. */
  onFailure(failure: Failure): void;
  /** The answer is whole; the connection may still be open. */
  onWhole(): void;
  readonly held: HeldBytes;
}

/**
 * A streamed answer: whole events go out as they came, held until the first content or, if asked for, until the answer is
 * whole; what is not for the caller is left out. It is whole only if the dialect says so, never because the connection ended.
 */
export class AnswerStream implements LiveStream {
  private readonly reader: StreamReader;
  private readonly hooks: StreamHooks;
  /** Held until it is whole, or does not fit any more. */
  private readonly keeps: boolean;
  /** The reader says what goes out instead of an event. */
  private readonly rewrites: boolean;
  private readonly splitter = new SseSplitter();
  private held: Buffer[] = [];
  private taken = 0;
  private outlet: Outlet | undefined;
  private begun = false;
  /** No event was read yet. */
  private first = true;
  private due = false;
  /** The upstream waits until the caller's answer is prepared. */
  private stopped = false;
  private result: { readonly whole: boolean; readonly failure: Failure | undefined } | undefined;
  private resolve: ((end: StreamEnd) => void) | undefined;
  /** Neighbouring events of one chunk that go out in one write: the first of them, and where the last one ends. */
  private run: Buffer | undefined;
  private runEnd = 0;
  private readonly onEvent = (event: Buffer, isOneLine: boolean): void => this.take(event, isOneLine);

  constructor(reader: StreamReader, hooks: StreamHooks, keeps: boolean) {
    this.reader = reader;
    this.hooks = hooks;
    this.keeps = keeps;
    this.rewrites = reader.instead !== undefined;
  }

  get counted(): number {
    return this.reader.counted;
  }

  /** What the model has written, if it has begun. */
  get spent(): Spent | undefined {
    const { usage, counted } = this.reader;
    return this.begun ? { usage, counted } : undefined;
  }

  pipe(sink: Writable): Promise<StreamEnd> {
    this.outlet = new Outlet(sink, this.hooks);
    const held = this.held;
    this.held = [];
    // A whole answer is held until the connection has it all, see `StreamEnd.held`.
    if (!this.keeps) this.giveBack();
    if (held.length > 0) this.outlet.write(held.length === 1 ? held[0]! : Buffer.concat(held));
    // Last: the upstream may bring more at once.
    if (this.stopped && !this.outlet.paused) this.hooks.resume();
    return new Promise((resolve) => {
      this.resolve = resolve;
      if (this.result) this.conclude();
    });
  }

  push(chunk: Buffer): void {
    if (this.result) return;
    this.splitter.push(chunk, this.onEvent);
    this.flush();
    if (this.splitter.carried > EVENT_LIMIT) this.fail(MALFORMED);
  }

  /** The upstream's bytes have ended. */
  end(): void {
    if (this.result) return;
    if (!this.reader.complete) return this.fail(MALFORMED);
    if (!this.reader.ended) this.out(this.reader.endMark);
    this.close(true, undefined);
  }

  /** The connection broke, a time-out struck, or the caller left (no failure). */
  break(failure: Failure | undefined): void {
    if (this.result) return;
    // What was to come is at most the usage and the end mark: the answer is whole.
    if (failure !== undefined && this.reader.complete) return this.end();
    this.close(false, failure);
  }

  private take(event: Buffer, isOneLine: boolean): void {
    if (this.result) return;
    // Of a whole stream one mark is passed over (WHATWG HTML, 9.2.5).
    const kind = this.reader.read(this.first ? event.subarray(afterMark(event)) : event, isOneLine);
    this.first = false;
    if (kind === 'omit') return this.flush();
    if (kind === 'malformed') return this.fail(MALFORMED);
    if (kind === 'error') return this.fail(this.reader.failure ?? CUT);
    if (kind === 'end') {
      if (!this.reader.complete) return this.fail(MALFORMED);
      this.append(event);
      this.flush();
      this.close(true, undefined);
      return this.hooks.onWhole();
    }
    this.append(event);
    if (kind !== 'content' || this.begun) return;
    this.begun = true;
    this.hooks.onContent();
    if (!this.keeps) this.goOut();
  }

  private append(event: Buffer): void {
    if (this.rewrites) return this.appendOther(event);
    const { run } = this;
    const follows = run !== undefined && run.buffer === event.buffer && this.runEnd === event.byteOffset;
    if (!follows) {
      this.flush();
      this.run = event;
    }
    this.runEnd = event.byteOffset + event.length;
  }

  private appendOther(event: Buffer): void {
    this.flush();
    const other = this.reader.instead!(event);
    if (other.length === 0) return;
    this.run = other;
    this.runEnd = other.byteOffset + other.length;
  }

  private flush(): void {
    const { run } = this;
    this.run = undefined;
    if (run === undefined) return;
    const length = this.runEnd - run.byteOffset;
    this.out(length === run.length ? run : Buffer.from(run.buffer, run.byteOffset, length));
  }

  private out(bytes: Buffer): void {
    if (this.outlet) return this.outlet.write(bytes);
    this.held.push(bytes);
    if (this.taken + bytes.length <= HOLD_LIMIT && this.hooks.held.take(bytes.length)) this.taken += bytes.length;
    else this.overflow();
  }

  private overflow(): void {
    if (!this.begun) return this.fail(MALFORMED);
    this.goOut();
    this.stopped = true;
    this.hooks.pause();
  }

  private goOut(): void {
    if (this.due) return;
    this.due = true;
    this.hooks.onDue();
  }

  private fail(failure: Failure): void {
    this.flush();
    if (this.begun) this.break(failure);
    else this.close(false, failure);
    this.hooks.onFailure(failure);
  }

  private close(whole: boolean, failure: Failure | undefined): void {
    if (this.result) return;
    this.result = { whole, failure };
    if (whole) this.goOut();
    if (!this.due || (this.outlet && !this.keeps)) this.giveBack();
    this.outlet?.close();
    if (this.resolve) this.conclude();
  }

  private conclude(): void {
    const { whole, failure } = this.result!;
    const { usage, counted, leftOut } = this.reader;
    const soFar = whole || failure === undefined ? undefined : this.reader.soFar;
    const held = this.taken;
    this.taken = 0;
    this.resolve!({ whole, failure, usage, counted, leftOut, soFar, held });
  }

  private giveBack(): void {
    this.hooks.held.give(this.taken);
    this.taken = 0;
  }
}
