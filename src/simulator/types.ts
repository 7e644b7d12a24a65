/** What a user of the simulator hands in and reads back. */
import type { Encoding } from './encoding.ts';
import type { FaultSpec, FaultQueue } from './faults.ts';

export type LimiterKind = 'token-bucket' | 'fixed-minute' | 'sliding-log';

export type SimModel = {
  name: string;
  /** The name that answers carry; OpenAI reports the dated snapshot (default NAME-2025-08-07). */
  datedName?: string;
  requestsPerMinute?: number;
  tokensPerMinute?: number;
  /** The "minute" of both limits; tests shorten it. */
  windowMs?: number;
  /** Where the windows of `fixed-minute` begin. */
  phaseMs?: number;
  limiter?: LimiterKind;
  contextWindow?: number;
  answerTokens?: number;
  firstTokenMs?: number;
  /** 0: the whole answer at once. */
  tokensPerSecond?: number;
};

export type SimulatorOptions = {
  port?: number;
  host?: string;
  /** Where the API begins, `/v1` unless told; '' for none. */
  prefix?: string;
  /** Milliseconds, fractions allowed; used by limits, log and `created`. Pauses always use real timers. */
  clock?: () => number;
  /** In [0, 1): ids, obfuscation, probabilities. */
  random?: () => number;
  /** Absent: any non-empty bearer is accepted. */
  apiKeys?: string[];
  models: SimModel[] | 'any';
  /** Faults that are there from the start and survive `reset()`; they stay for ever unless they have a count. */
  faults?: FaultSpec[];
  /** Unknown parameters and content types are accepted. */
  lenient?: boolean;
  encoding?: Encoding;
  /** Keep the raw body and all headers of each call in the log. */
  keepBodies?: boolean;
  logSize?: number;
  maxBodyBytes?: number;
  /** What all uploaded files together may take up, in bytes; 256 MB unless told. */
  keepFileBytes?: number;
};

export type SimCall = {
  /** When the call was complete and was counted: the very number that the limits saw. */
  at: number;
  /** When its headers came in. */
  receivedAt: number;
  endedAt: number;
  method: string;
  path: string;
  /** As asked for; '' when it could not be read. */
  model: string;
  /** It took from its model's limits (also when a fault or a 400 followed). */
  admitted: boolean;
  /** The HTTP status sent; 0 for none. */
  status: number;
  stream: boolean;
  promptTokens: number;
  /** The cap that the caller asked for; 0 for none. */
  maxTokens: number;
  /** What the token limit was asked for: max(maxTokens, promptTokens). */
  reservedTokens: number;
  completionTokens: number;
  /** `pending`, `complete`, `client-left`, `refused` (a true 4xx) or the name of the fault. */
  outcome: string;
  /** The fault that was applied, also when the answer was complete in spite of it. */
  fault: string | undefined;
  authorization: string | undefined;
  /** `x-*`, `openai-*`, encoding and trace headers; all of them with `keepBodies`. */
  headers: Readonly<Record<string, string>>;
  body: Buffer | undefined;
};

export type WorstWindow = { calls: number; tokens: number };

export type ModelStats = {
  calls: number;
  admitted: number;
  rejected429: number;
  promptTokens: number;
  completionTokens: number;
  outcomes: Record<string, number>;
  /** The most calls, and the most reserved tokens, that fell into any half-open span of this length. */
  worstWindow(windowMs: number, of?: 'arrived' | 'admitted'): WorstWindow;
};

export type SimStats = { calls: number; models: Record<string, ModelStats> };

export type Simulator = {
  port: number;
  /** Without the prefix: `http://127.0.0.1:PORT`. */
  url: string;
  close(): Promise<void>;
  stats(): SimStats;
  log: SimCall[];
  faults: FaultQueue;
  /** Empties the log and the queue of faults, and fills all limits. */
  reset(): void;
};
