/**
 * A request that was taken in, until its response is closed: its body on the way from the socket to bytes, bounded in size, in
 * time, and in what all requests hold together; and what it holds afterwards. One object for all of it: each listener and each
 * object that hangs on a request is garbage a little later (docs/decisions/0006).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SpillwayError } from '../errors.ts';
import type { CoarseTimer, Deadline } from '../wire/coarse-timer.ts';
import type { HeldBytes } from '../wire/held-bytes.ts';
import type { Exchange } from './exchange.ts';
import type { Recorder } from './record.ts';
import type { Runtime } from './runtime.ts';

export interface ReadLimits {
  /** The largest body, in bytes. */
  readonly bodyBytes: number;
  /** How long a body may stop arriving, in ms. */
  readonly bodyIdleMs: number;
}

export interface TakenDeps {
  readonly limits: ReadLimits;
  readonly held: HeldBytes;
  readonly timer: CoarseTimer;
  readonly recorder: Recorder;
}

/** What becomes of a request, told once. */
export interface Intake {
  readonly deps: TakenDeps;
  /** Its body is here. */
  arrived(taken: Taken, body: Buffer): void;
  /** Its body does not come, or is too large. */
  refused(taken: Taken, error: SpillwayError): void;
}

export class Taken implements Deadline {
  at: number;
  place = -1;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Whose it is, if anybody says. */
  readonly app: string | undefined;
  /** The configuration that it keeps to its end. */
  readonly runtime: Runtime;
  private readonly intake: Intake;
  private readonly chunks: Buffer[] = [];
  private length = 0;
  private reading = true;
  private exchange: Exchange | undefined;

  constructor(req: IncomingMessage, res: ServerResponse, app: string | undefined, runtime: Runtime, intake: Intake) {
    this.req = req;
    this.res = res;
    this.app = app;
    this.runtime = runtime;
    this.intake = intake;
    this.at = intake.deps.timer.now() + intake.deps.limits.bodyIdleMs;
  }

  /** From here on a shutdown waits for it. */
  read(): void {
    const { req, res } = this;
    const { recorder, timer } = this.intake.deps;
    recorder.running++;
    timer.add(this);
    // Also of a request whose caller left before it was read.
    res.on('close', () => this.closed());
    // Refused early if it cannot fit; taken only as it arrives, so that a silent caller holds nothing.
    if (!this.fits(Number(req.headers['content-length'] ?? 0))) return;
    // They stay: once the body is read or refused they do nothing, and taking them off costs more.
    req.on('data', (chunk: Buffer) => this.take(chunk));
    req.on('end', () => this.ended());
  }

  /** A caller that does not take its answer is waited for as long, after its deadline, as one that does not bring its request. */
  follow(exchange: Exchange): void {
    this.exchange = exchange;
    this.at = exchange.deadlineAt + this.intake.deps.limits.bodyIdleMs;
  }

  expire(): void {
    if (this.reading) this.refuse(new SpillwayError('body_timeout', [this.intake.deps.limits.bodyIdleMs]));
    else this.res.destroy();
  }

  /** @returns false, and refuses, if a body of this length can not be held */
  private fits(length: number): boolean {
    const { limits, held } = this.intake.deps;
    if (length > limits.bodyBytes) this.refuse(new SpillwayError('body_too_large', [limits.bodyBytes]));
    else if (held.used + length > held.limit) this.refuse(new SpillwayError('buffer_full', [held.limit], 1));
    return this.reading;
  }

  private take(chunk: Buffer): void {
    if (!this.reading) return;
    const { limits, held, timer } = this.intake.deps;
    this.at = timer.now() + limits.bodyIdleMs;
    if (this.length + chunk.length > limits.bodyBytes) return this.refuse(new SpillwayError('body_too_large', [limits.bodyBytes]));
    if (!held.take(chunk.length)) return this.refuse(new SpillwayError('buffer_full', [held.limit], 1));
    this.length += chunk.length;
    this.chunks.push(chunk);
  }

  private ended(): void {
    if (!this.reading) return;
    this.reading = false;
    this.at = Infinity;
    this.intake.arrived(this, this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks));
  }

  private refuse(error: SpillwayError): void {
    if (!this.reading) return;
    this.reading = false;
    this.at = Infinity;
    this.giveBack();
    this.req.pause();
    this.intake.refused(this, error);
  }

  private closed(): void {
    const { recorder, timer } = this.intake.deps;
    this.reading = false;
    recorder.running--;
    timer.remove(this);
    this.giveBack();
    this.exchange?.holder?.closed();
  }

  private giveBack(): void {
    this.intake.deps.held.give(this.length);
    this.length = 0;
  }
}
