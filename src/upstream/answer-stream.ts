import type { Writable } from 'node:stream';
import type { Failure, StreamReader } from '../providers/types.ts';
import type { HeldBytes } from '../wire/held-bytes.ts';
import { SseSplitter } from '../wire/sse.ts';
import { CUT, MALFORMED } from './failures.ts';
import { Outlet, type Tap } from './outlet.ts';
import type { LiveStream, StreamEnd } from './types.ts';

/** The longest single event; more without an end is not a stream of an answer. */
const EVENT_LIMIT = 8 * 1024 * 1024;

export interface StreamHooks extends Tap {
  /** The first content is here: from now on this model's answer is the answer. */
  onContent(): void;
  /** It cannot go on. */
  onFailure(failure: Failure): void;
  /** The answer is whole; the connection may still be open. */
  onWhole(): void;
  readonly held: HeldBytes;
}

/**
 * A streamed answer: whole events go out as they came, held until the first content; what we asked for and the caller did
 * not is left out. It is whole only if the dialect says so, never because the connection ended.
 */
export class AnswerStream implements LiveStream {
  private readonly reader: StreamReader;
  private readonly hooks: StreamHooks;
  private readonly splitter = new SseSplitter();
  private held: Buffer[] = [];
  private taken = 0;
  private outlet: Outlet | undefined;
  private begun = false;
  private result: StreamEnd | undefined;
  private resolve: ((end: StreamEnd) => void) | undefined;
  /** Neighbouring events of one chunk that go out in one write. */
  private run: Buffer | undefined;
  private readonly onEvent = (event: Buffer): void => this.take(event);

  constructor(reader: StreamReader, hooks: StreamHooks) {
    this.reader = reader;
    this.hooks = hooks;
  }

  pipe(sink: Writable): Promise<StreamEnd> {
    this.outlet = new Outlet(sink, this.hooks);
    const held = this.held;
    this.held = [];
    this.giveBack();
    if (held.length > 0) this.outlet.write(held.length === 1 ? held[0]! : Buffer.concat(held));
    return new Promise((resolve) => {
      this.resolve = resolve;
      if (this.result) resolve(this.result);
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

  private take(event: Buffer): void {
    if (this.result) return;
    const kind = this.reader.read(event);
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
  }

  private append(event: Buffer): void {
    const { run } = this;
    const follows = run !== undefined && run.buffer === event.buffer && run.byteOffset + run.length === event.byteOffset;
    if (follows) {
      this.run = Buffer.from(run.buffer, run.byteOffset, run.length + event.length);
      return;
    }
    this.flush();
    this.run = event;
  }

  private flush(): void {
    const { run } = this;
    this.run = undefined;
    if (run !== undefined) this.out(run);
  }

  private out(bytes: Buffer): void {
    if (this.outlet) return this.outlet.write(bytes);
    this.held.push(bytes);
    if (!this.hooks.held.take(bytes.length)) return this.fail(MALFORMED);
    this.taken += bytes.length;
  }

  private fail(failure: Failure): void {
    this.flush();
    if (this.begun) this.break(failure);
    else this.close(false, failure);
    this.hooks.onFailure(failure);
  }

  private close(whole: boolean, failure: Failure | undefined): void {
    if (this.result) return;
    const { usage, counted } = this.reader;
    this.result = { whole, failure, usage, counted };
    if (!this.begun || this.outlet) this.giveBack();
    this.outlet?.close();
    this.resolve?.(this.result);
  }

  private giveBack(): void {
    this.hooks.held.give(this.taken);
    this.taken = 0;
  }
}
