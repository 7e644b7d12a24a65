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
    const chunks: Buffer[] = [];
    let length = 0;
    let taken = 0;
    const release = (): void => {
      held.give(taken);
      taken = 0;
    };
    const take = (bytes: number): boolean => {
      if (bytes > limits.bodyBytes) return refuse(new SpillwayError('body_too_large', [limits.bodyBytes]));
      if (!held.take(bytes - taken)) return refuse(new SpillwayError('buffer_full', [held.limit], 1));
      taken = bytes;
      return true;
    };
    const deadline: Deadline = {
      at: timer.now() + limits.bodyIdleMs,
      expire: () => void refuse(new SpillwayError('body_timeout', [limits.bodyIdleMs])),
    };
    const done = (): void => {
      timer.remove(deadline);
      req.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
    };
    const refuse = (error: Error): false => {
      done();
      release();
      req.pause();
      reject(error);
      return false;
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      deadline.at = timer.now() + limits.bodyIdleMs;
      if (length > taken && !take(length)) return;
      chunks.push(chunk);
    };
    const onEnd = (): void => {
      done();
      resolve({ bytes: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks), release });
    };
    const onClose = (): void => void refuse(new CallerLeft('the caller left before its request was read'));

    timer.add(deadline);
    // Refused early if it cannot fit; taken only as it arrives, so that a silent caller holds nothing.
    const announced = Number(req.headers['content-length'] ?? 0);
    if (!take(announced)) return;
    release();
    req.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

/** A caller's text, safe and short enough to be shown back. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
  return clean.length > 100 ? `${clean.slice(0, 100)}…` : clean;
}
