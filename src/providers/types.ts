import type { Media } from '../wire/json-scan.ts';
import type { Reason } from '../wire/reasons.ts';

/** Tokens of one answer. Cached input and reasoning are parts of input and output, not beside them. */
export interface Usage {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly reasoning: number;
}

/** What is asked of a model. */
export type Operation = 'chat' | 'completions' | 'embeddings';

/** What the gateway needs to know of a request; the bytes stay as they came. */
export interface ModelRequest {
  readonly operation: Operation;
  /** What the app named: a group or a model. */
  readonly model: string;
  readonly stream: boolean;
  /** The most tokens that one choice may have, if the caller set it. */
  readonly maxTokens: number | undefined;
  /** Answers that the model writes for it, each up to `maxTokens`; 0 for an embedding. */
  readonly outputs: number;
  /** The body's bytes without base64 data. */
  readonly textBytes: number;
  readonly media: Media;
  /** It goes on from what another model has written: only a stream can answer it. */
  readonly continues: boolean;
  /** The bytes for one upstream: its model's name in place, usage asked for, all else as it came. */
  bodyFor(upstream: UpstreamNames): Buffer;
  /** Reads the events of one streamed answer to this request. @param keepText so that another model can go on from it */
  streamReader(keepText?: boolean): StreamReader;
  /** Reads a whole JSON answer to this request. */
  readAnswer(body: Buffer): Answer;
  /** What the user wants, as text; read from the body each time. */
  promptText(): string;
  /** The request for a model that is to go on from there. */
  continued(soFar: SoFar, by: ContinueBy): ModelRequest;
}

/** The text so far stands last, as an answer that is not finished; or a message behind it asks to go on, where that is refused. */
export type ContinueBy = 'prefill' | 'instruction';

/** What a stream that broke had given out; where it is itself a continuation, what all before it had. */
export interface SoFar {
  readonly text: string;
  /** Output tokens, as reported or else as counted. */
  readonly tokens: number;
  /** Those of the text alone, without thoughts: about what it takes in a prompt. */
  readonly textTokens: number;
  /** Input tokens of the first request, if they were reported. */
  readonly input: number | undefined;
  /** The members that all events of one stream have in common (in OpenAI's dialect id, model, created), as JSON. */
  readonly identity: Readonly<Record<string, string>>;
}

export interface UpstreamNames {
  readonly model: string;
  /** False for servers that refuse `stream_options`. */
  readonly includeUsage: boolean;
}

export type Answer = { readonly ok: true; readonly usage: Usage | undefined } | { readonly ok: false; readonly failure: Failure };

/**
 * What one event of a stream is: `content` carries text, an argument or a finish; `pass` nothing of it (role, keep-alive);
 * `omit` is not for the caller: only we asked for it, or it is damaged and nothing of an answer can have stood in it; `end` is
 * the dialect's end mark.
 */
export type EventKind = 'content' | 'pass' | 'omit' | 'end' | 'error' | 'malformed';

export interface StreamReader {
  /** @param isOneLine it is known to have one line */
  read(event: Buffer, isOneLine?: boolean): EventKind;
  /** In a continuation: what goes out for the event just read, perhaps nothing yet. Otherwise events go out as they came. */
  instead?(event: Buffer): Buffer;
  /** The answer is whole: each choice has its finish reason. */
  readonly complete: boolean;
  /** The end mark was read. */
  readonly ended: boolean;
  readonly usage: Usage | undefined;
  /** Of the event that `read` called `error`. */
  readonly failure: Failure | undefined;
  /** Output tokens counted from the events so far; at least what was sent, for upstreams that report no usage. */
  readonly counted: number;
  /** Damaged events that were left out, because nothing of an answer can have stood in them. */
  readonly leftOut: number;
  /** Undefined if no text is kept, or if no other model can go on from it (tool calls, several choices, too long). */
  readonly soFar: SoFar | undefined;
  /** The dialect's end mark, for an upstream that left it out after a whole answer. */
  readonly endMark: Buffer;
}

/** What an upstream's error means for the request. */
export interface Failure {
  /** Undefined: a mistake of the caller's own that has no reason of its own (400, 413, 422 …). */
  readonly reason: Reason | undefined;
  /** False: the fault is in the request itself; the upstream's answer goes back to the caller. */
  readonly divert: boolean;
  /** How long the upstream asked to be left alone. */
  readonly retryAfterMs?: number | undefined;
}

export interface Provider {
  readonly name: string;
  /** The official SDK's default, used when `baseUrl` is not set. */
  readonly defaultBaseUrl: string;
  /** Behind the base URL. */
  readonly paths: Readonly<Record<Operation, string>>;
  /** The header lines that carry the credential. */
  authorize(key: string): readonly string[];
  classify(status: number, headers: HeaderReader, body: Buffer): Failure;
}

export type HeaderReader = (name: string) => string | undefined;

/** Reads a request of one dialect. @throws SpillwayError for what no model could answer */
export type RequestReader = (body: Buffer, knownModels: string) => ModelRequest;
