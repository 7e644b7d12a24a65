import type { IncomingHttpHeaders } from 'node:http';
import type { Writable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Failure, ModelRequest, Provider, Usage } from '../providers/types.ts';
import type { HeldBytes } from '../wire/held-bytes.ts';
import type { CoarseTimer } from '../wire/coarse-timer.ts';

/** Lengths in ms. */
export interface Timeouts {
  readonly connect: number;
  /** From the request's last byte to the stream's first content. */
  readonly firstToken: number;
  /** Silence within a stream. */
  readonly idle: number;
  readonly total: number;
}

/** One call of one model. */
export interface Call {
  readonly dispatcher: Dispatcher;
  readonly origin: string;
  readonly provider: Provider;
  readonly path: string;
  /** Name and value in turn. */
  readonly headers: string[];
  readonly body: Buffer;
  readonly request: ModelRequest;
  readonly timeouts: Timeouts;
  /** On the timer's clock: written later, its reservation would be too old to count as taken just before. */
  readonly freshUntil: number;
}

export interface UpstreamDeps {
  readonly timer: CoarseTimer;
  readonly held: HeldBytes;
}

export interface Head {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

export type Outcome =
  /** A whole JSON answer. `held`: bytes taken from the process's limit, which whoever gives the answer out gives back. */
  | { readonly kind: 'answer'; readonly head: Head; readonly body: Buffer; readonly usage: Usage | undefined; readonly held: number }
  /** Content has begun to arrive. */
  | { readonly kind: 'stream'; readonly head: Head; readonly stream: LiveStream }
  /** Nothing of an answer was given out. `head` and `body`: the upstream's own words, where there were any. */
  | { readonly kind: 'failed'; readonly failure: Failure; readonly sent: boolean; readonly head?: Head; readonly body?: Buffer }
  /** The reservation grew too old before anything was sent. */
  | { readonly kind: 'stale' }
  /** `abort` was called. */
  | { readonly kind: 'aborted'; readonly sent: boolean };

export interface LiveStream {
  /** Gives out what was held and then what arrives, at the pace of `sink`. Resolves when the upstream is done. */
  pipe(sink: Writable): Promise<StreamEnd>;
}

export interface StreamEnd {
  /** The answer is whole. */
  readonly whole: boolean;
  /** Why it is not; undefined if `abort` was called. */
  readonly failure: Failure | undefined;
  readonly usage: Usage | undefined;
  /** Output tokens counted, for when no usage was reported. */
  readonly counted: number;
}
