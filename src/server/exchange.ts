import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Drill } from '../decide/drill.ts';
import type { ContinueBy, ModelRequest, SoFar } from '../providers/types.ts';
import type { Charge } from './charge.ts';
import type { Route } from './runtime.ts';

/** One request of the app, on its way. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** As the app made it. */
  readonly original: ModelRequest;
  /** What a model is asked: the same, or to go on where a stream broke. */
  request: ModelRequest;
  readonly route: Route;
  readonly app: string | undefined;
  readonly noFallback: boolean;
  /** On the timer's clock: when the whole request was read, and when it must be over. */
  readonly startedAt: number;
  readonly deadlineAt: number;
  /** The primary fails this once, to try what comes then. */
  readonly drill: Drill | undefined;
  /** A streamed answer has begun to go out. */
  begun: { readonly isEvents: boolean; readonly models: string[] } | undefined;
  /** Where it broke, and how the next model is asked to go on. */
  reached: SoFar | undefined;
  continueBy: ContinueBy | undefined;
  /** Told when the caller's connection is done with this answer: it has it all, or it left. */
  holder: Holder | undefined;
  /** Of the call under way, or of the last one. */
  charge: Charge | undefined;
}

/** An object, not a function: closures that hang on a request outlive it until a full collection (measured: 10 KB a request). */
export interface Holder {
  closed(): void;
}
