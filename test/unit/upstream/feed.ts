/** Streams by hand: events as a model writes them, an answer stream fed with them, and the official client at the other end. */
import { Writable } from 'node:stream';
import { Stream } from 'openai/core/streaming';
import type OpenAI from 'openai';
import type { Failure, ModelRequest, StreamReader } from '../../../src/providers/types.ts';
import { AnswerStream, type StreamHooks } from '../../../src/upstream/answer-stream.ts';
import { HeldBytes } from '../../../src/wire/held-bytes.ts';

export type Chunk = OpenAI.ChatCompletionChunk;

export interface Voice {
  readonly id: string;
  readonly model: string;
  readonly created: number;
}

export const FIRST: Voice = { id: 'first-1', model: 'one', created: 1 };
export const SECOND: Voice = { id: 'second-"2"', model: 'two', created: 22 };

export function chunkOf(voice: Voice, delta: object, finish: string | null = null, more: object = {}): string {
  return JSON.stringify({ id: voice.id, object: 'chat.completion.chunk', created: voice.created, model: voice.model, choices: [{ index: 0, delta, finish_reason: finish }], ...more });
}

export const sse = (data: string, newline = '\n'): string => `data: ${data}${newline}${newline}`;

/** A whole answer: role, pieces, finish, usage if given, end mark. */
export function answer(voice: Voice, pieces: readonly string[], usage?: object, newline = '\n'): string[] {
  const events = [chunkOf(voice, { role: 'assistant', content: '', refusal: null }), ...pieces.map((content) => chunkOf(voice, { content })), chunkOf(voice, {}, 'stop')];
  if (usage) events.push(JSON.stringify({ id: voice.id, object: 'chat.completion.chunk', created: voice.created, model: voice.model, choices: [], usage }));
  return [...events, '[DONE]'].map((data) => sse(data, newline));
}

/** An answer stream with nothing around it. */
export class Feed implements StreamHooks {
  readonly stream: AnswerStream;
  readonly did: string[] = [];
  readonly held: HeldBytes;
  failure: Failure | undefined;

  constructor(reader: StreamReader, keeps = false, room = 1_000_000) {
    this.held = new HeldBytes(room);
    this.stream = new AnswerStream(reader, this, keeps);
  }

  onContent(): void {
    this.did.push('content');
  }

  onDue(): void {
    this.did.push('due');
  }

  onFailure(failure: Failure): void {
    this.failure = failure;
    this.did.push('failure');
  }

  onWhole(): void {
    this.did.push('whole');
  }

  pause(): void {
    this.did.push('pause');
  }

  resume(): void {
    this.did.push('resume');
  }

  /** The bytes in chunks of these sizes, in turn. */
  push(bytes: Buffer, sizes: readonly number[] = [bytes.length]): void {
    let at = 0;
    for (let i = 0; at < bytes.length; i++) {
      const size = Math.max(1, sizes[i % sizes.length]!);
      this.stream.push(Buffer.from(bytes.subarray(at, at + size)));
      at += size;
    }
  }
}

/** Takes all, at once. */
export class Taker extends Writable {
  readonly chunks: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.chunks.push(chunk);
    callback();
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }
}

export interface Heard {
  readonly chunks: Chunk[];
  readonly text: string;
  /** What the client threw. */
  readonly error: string | undefined;
}

/** What the official client makes of it. */
export async function hear(bytes: string | Buffer): Promise<Heard> {
  const chunks: Chunk[] = [];
  let error: string | undefined;
  const log = console.error;
  // It tells the console of what it throws, too.
  console.error = () => undefined;
  try {
    for await (const chunk of Stream.fromSSEResponse<Chunk>(new Response(bytes), new AbortController())) chunks.push(chunk);
  } catch (thrown) {
    error = String(thrown);
  } finally {
    console.error = log;
  }
  return { chunks, text: chunks.map((chunk) => chunk?.choices?.[0]?.delta?.content ?? '').join(''), error };
}

/** The readers' names for the events of a body, one each. */
export function kinds(request: ModelRequest, events: readonly string[]): string[] {
  const reader = request.streamReader();
  return events.map((event) => reader.read(Buffer.from(event)));
}
