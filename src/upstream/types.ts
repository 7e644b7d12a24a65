import type { Writable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Failure, ModelRequest, Provider, SoFar, Usage } from '../providers/types.ts';
import type { HeldBytes } from '../wire/held-bytes.ts';
import type { AnswerHeaders } from '../wire/http.ts';
import type { CoarseTimer } from '../wire/coarse-timer.ts';

/** Lengths in ms. */
export interface Timeouts {
  readonly connect: number;
  /** From the request's last byte to the stream's first content. */
  readonly firstToken: number;
  /** Silence within a stream. */
  readonly idle: number;
}

/** After a stream broke midway: it says so; or it is held until it is whole; or another model goes on from the text so far. */
export type Recovery = 'error' | 'buffer' | 'continue';

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
  /** The whole call, in ms. */
  readonly totalMs: number;
  /** On the timer's clock: written later, its reservation would be too old to count as taken just before. */
  readonly freshUntil: number;
  /** `error` if it is not set. */
  readonly recovery?: Recovery | undefined;
  /** A drill: the stream breaks after its first content. */
  readonly cut?: boolean;
}

export interface UpstreamDeps {
  readonly timer: CoarseTimer;
  readonly held: HeldBytes;
}

export interface Head {
  readonly status: number;
  readonly headers: AnswerHeaders;
}

/** What an answer that broke off before it was given out had used. */
export interface Spent {
  readonly usage: Usage | undefined;
  /** Output tokens counted, for when no usage was reported. */
  readonly counted: number;
}

export type Outcome =
  /** A whole JSON answer. `held`: bytes taken from the process's limit, which whoever gives the answer out gives back. */
  | { readonly kind: 'answer'; readonly head: Head; readonly body: Buffer; readonly usage: Usage | undefined; readonly held: number }
  /** Content has begun to arrive; with `buffer` all of it has, or as much as can be held. */
  | { readonly kind: 'stream'; readonly head: Head; readonly stream: LiveStream }
  | Failed
  /** The reservation grew too old before anything was sent. */
  | { readonly kind: 'stale' }
  /** `closed` was called. */
  | { readonly kind: 'aborted'; readonly sent: boolean; readonly spent?: Spent | undefined };

/** Nothing of an answer was given out. */
export interface Failed {
  readonly kind: 'failed';
  readonly failure: Failure;
  readonly sent: boolean;
  /** A time-out in which the model said nothing: no header came, or of a stream no content. */
  readonly silent: boolean;
  /** The upstream's own words, where there were any. */
  readonly head?: Head;
  readonly body?: Buffer;
  /** Of a stream that was held. */
  readonly spent?: Spent | undefined;
}

export interface LiveStream {
  /** Output tokens so far, as counted. */
  readonly counted: number;
  /** Gives out what was held and then what arrives, at the pace of `sink`. Resolves when the upstream is done. */
  pipe(sink: Writable): Promise<StreamEnd>;
}

export interface StreamEnd extends Spent {
  /** The answer is whole. */
  readonly whole: boolean;
  /** Why it is not; undefined if `closed` was called. */
  readonly failure: Failure | undefined;
  /** Damaged events that were left out, because nothing of an answer can have stood in them. */
  readonly leftOut: number;
  /** Of a stream that broke, with `continue`: where another model can go on. */
  readonly soFar: SoFar | undefined;
  /** Bytes taken from the process's limit, which whoever gave the answer out gives back when the connection has them. */
  readonly held: number;
}
