/** From a caller's socket to bytes: bounded in size, in time, and in what all requests hold together. */
import type { IncomingMessage } from 'node:http';
import { SpillwayError } from '../errors.ts';
import type { CoarseTimer, Deadline } from '../wire/coarse-timer.ts';
import type { HeldBytes } from '../wire/held-bytes.ts';

export interface ReadLimits {
  /** The largest body, in bytes. */
  readonly bodyBytes: number;
  /** How long a body may stop arriving, in ms. */
  readonly bodyIdleMs: number;
}

export interface Body {
  readonly bytes: Buffer;
  /** Gives back what it held; once. */
  release(): void;
}

/** The caller went away before its request was read: there is nobody to answer. */
export class CallerLeft extends Error {
  override readonly name = 'CallerLeft';
}

export function checkHead(req: IncomingMessage): void {
  const encoding = req.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') throw new SpillwayError('encoded_body', [printable(encoding)]);
  const type = req.headers['content-type'] ?? 'none';
  // Also what keeps a web page from calling a sidecar on a developer's machine: a browser asks first for this type.
  if (!/^application\/([\w.-]+\+)?json\b/i.test(type)) throw new SpillwayError('wrong_content_type', [printable(type)]);
}

export function readBody(req: IncomingMessage, limits: ReadLimits, held: HeldBytes, timer: CoarseTimer): Promise<Body> {
  return new Promise((resolve, reject) => {
    const reading = new Reading(limits, held, timer, resolve, (error) => {
      req.pause();
      reject(error);
    });
    // Refused early if it cannot fit; taken only as it arrives, so that a silent caller holds nothing.
    if (!reading.fits(Number(req.headers['content-length'] ?? 0))) return;
    req.on('data', (chunk: Buffer) => reading.take(chunk));
    req.on('end', () => reading.end());
    req.on('close', () => reading.left());
  });
}

/** A body on its way in. Its listeners stay: once it is settled they do nothing, and taking them off costs more. */
class Reading implements Body, Deadline {
  at: number;
  place = -1;
  private readonly limits: ReadLimits;
  private readonly held: HeldBytes;
  private readonly timer: CoarseTimer;
  private readonly resolve: (body: Body) => void;
  private readonly reject: (error: Error) => void;
  private readonly chunks: Buffer[] = [];
  private length = 0;
  private settled = false;

  constructor(limits: ReadLimits, held: HeldBytes, timer: CoarseTimer, resolve: (body: Body) => void, reject: (error: Error) => void) {
    this.limits = limits;
    this.held = held;
    this.timer = timer;
    this.resolve = resolve;
    this.reject = reject;
    this.at = timer.now() + limits.bodyIdleMs;
    timer.add(this);
  }

  get bytes(): Buffer {
    return this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks);
  }

  expire(): void {
    this.fail(new SpillwayError('body_timeout', [this.limits.bodyIdleMs]));
  }

  /** @returns false, and refuses, if a body of this length can not be held */
  fits(length: number): boolean {
    const { limits, held } = this;
    if (length > limits.bodyBytes) this.fail(new SpillwayError('body_too_large', [limits.bodyBytes]));
    else if (held.used + length > held.limit) this.fail(new SpillwayError('buffer_full', [held.limit], 1));
    return !this.settled;
  }

  take(chunk: Buffer): void {
    if (this.settled) return;
    this.at = this.timer.now() + this.limits.bodyIdleMs;
    if (this.length + chunk.length > this.limits.bodyBytes) return this.fail(new SpillwayError('body_too_large', [this.limits.bodyBytes]));
    if (!this.held.take(chunk.length)) return this.fail(new SpillwayError('buffer_full', [this.held.limit], 1));
    this.length += chunk.length;
    this.chunks.push(chunk);
  }

  end(): void {
    if (this.settled) return;
    this.settle();
    this.resolve(this);
  }

  /** Also when all is well and long read: an error is only made if it says something. */
  left(): void {
    if (!this.settled) this.fail(new CallerLeft('the caller left before its request was read'));
  }

  fail(error: Error): void {
    if (this.settled) return;
    this.settle();
    this.release();
    this.reject(error);
  }

  release(): void {
    this.held.give(this.length);
    this.length = 0;
  }

  private settle(): void {
    this.settled = true;
    this.timer.remove(this);
  }
}

/** A caller's text, safe and short enough to be shown back. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
  return clean.length > 100 ? `${clean.slice(0, 100)}…` : clean;
}
