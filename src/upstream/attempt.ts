/**
 * One call of one model, from the dispatch to its outcome. Nothing is given out before it is known to be an answer: a JSON
 * body is held whole, a stream until its first content or its end, so that what fails before can be answered by another model.
 */
import type { Transform } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Failure } from '../providers/types.ts';
import type { Deadline } from '../wire/coarse-timer.ts';
import type { HeldBytes } from '../wire/held-bytes.ts';
import { firstOf, type AnswerHeaders } from '../wire/http.ts';
import { AnswerStream, HOLD_LIMIT, type StreamHooks } from './answer-stream.ts';
import { decoderFor } from './decode.ts';
import { RawStream } from './raw-stream.ts';
import { CUT, connectionFailure, MALFORMED, TIMED_OUT } from './failures.ts';
import type { Call, Head, Outcome, Spent, UpstreamDeps } from './types.ts';

/** An error's body beyond this says nothing more. */
const ERROR_LIMIT = 1024 * 1024;
/** How long a response may go on after its end mark. */
const LINGER_MS = 1000;

class NotSent extends Error {
  override readonly name = 'NotSent';
}

export class Attempt implements Dispatcher.DispatchHandler, Deadline, StreamHooks {
  /** Resolves once; never rejects. */
  readonly outcome: Promise<Outcome>;
  private readonly call: Call;
  private readonly deps: UpstreamDeps;
  at: number;
  place = -1;
  private readonly totalAt: number;
  private resolve!: (outcome: Outcome) => void;
  private resolved = false;
  private finished = false;
  private sent = false;
  /** The first content came, or more than can be held. */
  private begun = false;
  /** The caller takes no more for now. */
  private paused = false;
  /** The answer is whole, its response not yet ended. */
  private lingering = false;
  private controller: Dispatcher.DispatchController | undefined;
  private head: Head | undefined;
  private decoder: Transform | undefined;
  private live: AnswerStream | RawStream | undefined;
  private readonly chunks: Buffer[] = [];
  private length = 0;
  private taken = 0;

  constructor(call: Call, deps: UpstreamDeps) {
    this.call = call;
    this.deps = deps;
    this.outcome = new Promise((resolve) => {
      this.resolve = resolve;
    });
    const now = deps.timer.now();
    this.totalAt = now + call.totalMs;
    this.at = this.bounded(now + call.timeouts.connect);
    deps.timer.add(this);
  }

  start(): this {
    const { call } = this;
    const { dispatcher, origin, path, headers, body } = call;
    try {
      dispatcher.dispatch({ origin, path, method: 'POST', headers, body }, this);
    } catch (error) {
      this.fail(connectionFailure(error));
    }
    return this;
  }

  get held(): HeldBytes {
    return this.deps.held;
  }

  expire(): void {
    // Half a JSON answer is no silence.
    const silent = this.sent && !this.begun && (this.head === undefined || this.live !== undefined);
    this.fail(TIMED_OUT, silent);
  }

  /** The caller left, or needs the answer no more. */
  closed(): void {
    if (this.finished || this.lingering) return;
    this.live?.break(undefined);
    this.settle({ kind: 'aborted', sent: this.sent, ...this.spent() });
    this.finish(true);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Thrown here, the request is given up and the connection, which is ready now, is kept (undici, client-h1 writeH1).
    if (this.finished) throw new NotSent('given up before it was sent');
    if (this.deps.timer.now() > this.call.freshUntil) {
      this.settle({ kind: 'stale' });
      this.finish(false);
      throw new NotSent('the reservation grew too old');
    }
    this.sent = true;
    this.controller = controller;
    const { request, timeouts } = this.call;
    this.at = this.bounded(request.stream ? this.deps.timer.now() + timeouts.firstToken : Infinity);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
    if (status < 200 || this.finished) return;
    this.head = { status, headers };
    const decoder = decoderFor(headers['content-encoding']?.toString());
    if (decoder === 'unknown') return this.fail(MALFORMED);
    if (decoder) this.decodeWith(decoder, controller);
    const type = firstOf(headers['content-type']) ?? '';
    if (status >= 300) return;
    const { request, recovery } = this.call;
    const isStream = type.includes('text/event-stream');
    if (isStream && request.stream) this.live = new AnswerStream(request.streamReader(recovery === 'continue'), this, recovery === 'buffer');
    // Nobody asked for a stream; half a stream cannot end as anything else. Clients would read nothing in it, and say nothing.
    else if (isStream || request.continues) this.fail(MALFORMED);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.finished) return;
    if (this.decoder === undefined) this.onBody(chunk);
    else if (!this.decoder.write(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    if (this.finished) return;
    if (this.decoder === undefined) this.onBodyEnd();
    else this.decoder.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(connectionFailure(error));
  }

  onContent(): void {
    this.begun = true;
    this.rearm();
    if (this.call.cut === true) setImmediate(() => this.fail(CUT));
  }

  onDue(): void {
    this.settle({ kind: 'stream', head: this.head!, stream: this.live! });
  }

  onFailure(failure: Failure): void {
    this.fail(failure);
  }

  /** The end mark is read: the connection is good for the next request if its response ends soon. */
  onWhole(): void {
    this.lingering = true;
    this.at = this.deps.timer.now() + LINGER_MS;
  }

  /** Holds up whoever brings the bytes: a decoder goes on to hold up the connection when it is full. */
  pause(): void {
    this.paused = true;
    this.rearm();
    if (this.decoder) this.decoder.pause();
    else this.controller?.pause();
  }

  resume(): void {
    this.paused = false;
    this.rearm();
    if (this.decoder) this.decoder.resume();
    else this.controller?.resume();
  }

  private decodeWith(decoder: Transform, controller: Dispatcher.DispatchController): void {
    this.decoder = decoder;
    decoder.on('data', (chunk: Buffer) => this.onBody(chunk));
    decoder.on('end', () => this.onBodyEnd());
    decoder.on('drain', () => controller.resume());
    decoder.on('error', () => this.fail(MALFORMED));
  }

  private onBody(chunk: Buffer): void {
    if (this.finished) return;
    // Until its first content a stream has the first token's time, however many keep-alives come.
    if (this.begun) this.rearm();
    if (this.live) this.live.push(chunk);
    else this.hold(chunk);
  }

  /** Silence is counted within a stream of events, and only while the caller takes what comes; else the whole time is the limit. */
  private rearm(): void {
    if (this.lingering) return;
    const counts = this.live instanceof AnswerStream && !this.paused;
    this.at = this.bounded(counts ? this.deps.timer.now() + this.call.timeouts.idle : Infinity);
  }

  private hold(chunk: Buffer): void {
    this.length += chunk.length;
    const isError = this.head!.status >= 300;
    if (isError && this.length > ERROR_LIMIT) return this.conclude(true);
    this.chunks.push(chunk);
    if (isError) return;
    const fits = this.length <= HOLD_LIMIT && this.deps.held.take(chunk.length);
    if (fits) this.taken += chunk.length;
    else this.giveOutAsItComes();
  }

  private giveOutAsItComes(): void {
    this.begun = true;
    this.live = new RawStream(this.chunks.splice(0), this);
    this.onDue();
  }

  private onBodyEnd(): void {
    if (this.finished) return;
    if (this.live) {
      this.live.end();
      this.finish(false);
    } else this.conclude(false);
  }

  /** The whole body is here, or as much of an error's as is wanted. */
  private conclude(abort: boolean): void {
    const head = this.head!;
    const body = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks);
    if (head.status >= 300) {
      const header = (name: string): string | undefined => firstOf(head.headers[name]);
      this.settle({ kind: 'failed', failure: this.call.provider.classify(head.status, header, body), sent: true, silent: false, head, body });
    } else {
      const answer = this.call.request.readAnswer(body);
      if (answer.ok && !this.call.request.stream) {
        this.settle({ kind: 'answer', head, body, usage: answer.usage, held: this.taken });
        this.taken = 0;
      } else this.settle({ kind: 'failed', failure: answer.ok ? MALFORMED : answer.failure, sent: true, silent: false });
    }
    this.finish(abort);
  }

  private fail(failure: Failure, silent = false): void {
    if (this.finished) return;
    this.live?.break(failure);
    this.settle({ kind: 'failed', failure, sent: this.sent, silent, ...this.spent() });
    this.finish(true);
  }

  /** What a stream that was held and is given up had used. */
  private spent(): { spent: Spent } | undefined {
    const spent = this.live instanceof AnswerStream ? this.live.spent : undefined;
    return spent && { spent };
  }

  private settle(outcome: Outcome): void {
    if (this.resolved) return;
    this.resolved = true;
    this.resolve(outcome);
  }

  private finish(abort: boolean): void {
    if (this.finished) return;
    this.finished = true;
    this.deps.timer.remove(this);
    this.deps.held.give(this.taken);
    this.taken = 0;
    this.decoder?.destroy();
    if (abort) this.controller?.abort(new NotSent('no longer wanted'));
  }

  private bounded(at: number): number {
    return Math.min(at, this.totalAt);
  }
}
