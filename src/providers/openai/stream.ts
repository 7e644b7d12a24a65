import type { JsonScanner, Span } from '../../wire/json-scan.ts';
import { field, isRecord, parseJson } from '../../wire/record.ts';
import { eventData, eventName } from '../../wire/sse.ts';
import type { EventKind, Failure, SoFar, StreamReader, Usage } from '../types.ts';
import { isHarmless } from './damaged.ts';
import { classifyBody } from './errors.ts';
import { isEmptyList } from './spans.ts';
import type { TextKept } from './text-kept.ts';
import { readUsage } from './usage.ts';

const DONE = Buffer.from('[DONE]');
const FINISH = Buffer.from('"finish_reason"');
const OPEN_LIST = 0x5b;
const COLON = 0x3a;
const SPACE = 0x20;
const LETTER_N = 0x6e;

/**
 * Reads the events of a streamed completion, chat or not. Each event's JSON is checked in its bytes; parsed is only what decides:
 * events until the first content, those that may finish a choice or say nothing, and the one with the usage.
 */
export class OpenAiStreamReader implements StreamReader {
  static readonly members = ['choices', 'usage', 'error'];

  readonly endMark = Buffer.from('data: [DONE]\n\n');
  usage: Usage | undefined;
  failure: Failure | undefined;
  ended = false;
  leftOut = 0;
  private readonly scanner: JsonScanner;
  private readonly expected: number;
  private readonly omitUsage: boolean;
  private readonly kept: TextKept | undefined;
  private readonly open = new Set<number>();
  private readonly finished = new Set<number>();
  private hasContent = false;
  private contentEvents = 0;
  private contentBytes = 0;
  private envelope = Infinity;

  constructor(scanner: JsonScanner, choices: number, omitUsage: boolean, kept?: TextKept) {
    this.scanner = scanner;
    this.expected = choices;
    this.omitUsage = omitUsage;
    this.kept = kept;
  }

  /** A server may ignore `n`: then its end mark, with every choice that it began finished, is its word for the end. */
  get complete(): boolean {
    return this.open.size === 0 && (this.finished.size >= this.expected || (this.ended && this.finished.size > 0));
  }

  /** An event of one token is about as long as the shortest one; what is longer is text, four bytes a token. */
  get counted(): number {
    if (this.contentEvents === 0) return 0;
    return this.contentEvents + Math.ceil((this.contentBytes - this.contentEvents * this.envelope) / 4);
  }

  get soFar(): SoFar | undefined {
    return this.kept?.soFar(this.usage?.output ?? this.counted, this.usage?.input);
  }

  read(event: Buffer, isOneLine?: boolean): EventKind {
    const data = eventData(event, isOneLine);
    if (data === undefined) return this.withoutData(eventName(event));
    if (data === null) return this.leaveOutIf(this.complete);
    if (data.length === DONE.length && data.equals(DONE)) {
      this.ended = true;
      return 'end';
    }
    const { scanner } = this;
    if (!scanner.scan(data)) return this.damaged(event, data);
    const error = scanner.span('error');
    if (error !== undefined && data[error.start] !== LETTER_N) return this.fails(parseJson(data.toString()));
    const usage = scanner.span('usage');
    const choices = scanner.span('choices');
    const hasUsage = usage !== undefined && data[usage.start] === 0x7b;
    if (hasUsage) this.usage = readUsage(parseJson(data.toString('utf8', usage.start, usage.end))) ?? this.usage;
    if (choices !== undefined && !isEmptyList(data, choices)) return this.readChoices(data, choices);
    if (choices === undefined && isError(event, data)) return this.fails(parseJson(data.toString()));
    return hasUsage && this.omitUsage ? 'omit' : 'pass';
  }

  private readChoices(data: Buffer, span: Span): EventKind {
    const length = span.end - span.start;
    // Shorter than all that said something: perhaps it says nothing.
    const parse = !this.hasContent || this.expected > 1 || this.kept !== undefined || length < this.envelope || mayFinish(data, span);
    let says = true;
    let finishes = false;
    if (parse) {
      const choices = parseJson(data.toString('utf8', span.start, span.end));
      if (!Array.isArray(choices) || !choices.every(isRecord)) return 'malformed';
      says = choices.some(saysSomething);
      finishes = this.follow(choices);
      if (says || finishes) this.kept?.take(data, choices);
    }
    if (says) this.count(length);
    if (!says && !finishes) return 'pass';
    this.hasContent = true;
    return 'content';
  }

  /** A comment passes; on an event with a name the official client throws. */
  private withoutData(name: string): EventKind {
    return name === '' ? 'pass' : this.leaveOutIf(name !== 'error' || this.complete);
  }

  /** Data that is no JSON object. */
  private damaged(event: Buffer, data: Buffer): EventKind {
    const value = data[0] === OPEN_LIST ? parseJson(data.toString()) : undefined;
    // Gemini wraps its errors in a list.
    if (Array.isArray(value) && isRecord(field(value[0], 'error'))) return this.fails(value);
    return this.leaveOutIf(this.complete || isHarmless(event, data));
  }

  private leaveOutIf(harmless: boolean): EventKind {
    if (!harmless) return 'malformed';
    this.leftOut++;
    return 'omit';
  }

  private fails(body: unknown): EventKind {
    this.failure = classifyBody(200, body);
    return 'error';
  }

  /** Not for a mere finish: it is shorter than any token's event, and none. */
  private count(length: number): void {
    this.contentEvents++;
    this.contentBytes += length;
    this.envelope = Math.min(this.envelope, length);
  }

  /** @returns whether a choice finishes here */
  private follow(choices: readonly Record<string, unknown>[]): boolean {
    let finishes = false;
    for (const choice of choices) {
      const index = typeof choice['index'] === 'number' ? choice['index'] : 0;
      if (typeof choice['finish_reason'] === 'string') {
        this.open.delete(index);
        this.finished.add(index);
        finishes = true;
      } else if (!this.finished.has(index)) this.open.add(index);
    }
    return finishes;
  }
}

/** Whether one of the choices may finish here. Most providers write the member in each event, with null. */
function mayFinish(data: Buffer, { start, end }: Span): boolean {
  for (let at = start; end - at > FINISH.length;) {
    const found = data.indexOf(FINISH, at);
    if (found < 0 || found >= end) return false;
    at = found + FINISH.length;
    while (data[at] === COLON || data[at] === SPACE) at++;
    // The JSON is checked: what begins with this letter is null.
    if (data[at] !== LETTER_N) return true;
  }
  return false;
}

/** A chat's content stands in `delta`, a completion's in `text`. */
function saysSomething(choice: Record<string, unknown>): boolean {
  return isContent(choice['delta']) || (typeof choice['text'] === 'string' && choice['text'] !== '');
}

/** A delta says something when any member but the role is neither empty nor null. */
function isContent(delta: unknown): boolean {
  if (!isRecord(delta)) return false;
  return Object.entries(delta).some(([name, value]) => name !== 'role' && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0));
}

/** Told by the event's name, or (older vLLM) by the object's: not by a member of its own. */
function isError(event: Buffer, data: Buffer): boolean {
  return eventName(event) === 'error' || field(parseJson(data.toString()), 'object') === 'error';
}
