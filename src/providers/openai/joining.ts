/**
 * Reads the stream of a model that goes on from another's text, and gives out what stands behind that in one stream: the first
 * stream's identity in each event, no second beginning, no words over again, and the usage of both as one.
 */
import type { JsonScanner, Span } from '../../wire/json-scan.ts';
import { isRecord, parseJson } from '../../wire/record.ts';
import { eventData } from '../../wire/sse.ts';
import type { ContinueBy, EventKind, Failure, SoFar, StreamReader, Usage } from '../types.ts';
import { mayGrow, overlap } from './overlap.ts';
import { splice, type Edit } from './spans.ts';
import type { OpenAiStreamReader } from './stream.ts';
import { IDENTITY, TextKept, textOf } from './text-kept.ts';
import { jointUsage } from './usage.ts';

/** Where a continuation goes on. */
export interface Joint {
  /** The app's own request. */
  readonly original: Buffer;
  readonly soFar: SoFar;
  readonly by: ContinueBy;
}

type Choice = Record<string, unknown>;

interface Waiting {
  readonly event: Buffer;
  readonly choice: Choice;
  readonly text: string;
}

const NOTHING: Buffer = Buffer.alloc(0);

export class JoiningReader implements StreamReader {
  static readonly members = [...IDENTITY, 'choices', 'usage'];

  private readonly scanner: JsonScanner;
  private readonly reader: OpenAiStreamReader;
  private readonly joint: Joint;
  private readonly kept: TextKept;
  /** Events that wait until it is clear how much of them is said already; undefined when it is. */
  private waiting: Waiting[] | undefined = [];
  private begin = '';
  private out = NOTHING;

  constructor(scanner: JsonScanner, reader: OpenAiStreamReader, joint: Joint) {
    this.scanner = scanner;
    this.reader = reader;
    this.joint = joint;
    this.kept = new TextKept(joint.soFar);
  }

  get complete(): boolean {
    return this.reader.complete;
  }

  get ended(): boolean {
    return this.reader.ended;
  }

  get usage(): Usage | undefined {
    return this.reader.usage;
  }

  get failure(): Failure | undefined {
    return this.reader.failure;
  }

  get counted(): number {
    return this.reader.counted;
  }

  get leftOut(): number {
    return this.reader.leftOut;
  }

  get endMark(): Buffer {
    return this.reader.endMark;
  }

  /** Only what was given out: the next model goes on from there. */
  get soFar(): SoFar | undefined {
    return this.kept.soFar(this.usage?.output ?? this.counted, undefined);
  }

  read(event: Buffer, isOneLine?: boolean): EventKind {
    const kind = this.reader.read(event, isOneLine);
    this.out = event;
    if (kind !== 'pass' && kind !== 'content') return kind;
    const data = eventData(event, isOneLine);
    // A comment.
    if (!data) return kind;
    const { scanner } = this;
    scanner.scan(data);
    const choices = listAt(data, scanner.span('choices'));
    // A role or an empty delta: the answer has begun long ago.
    if (kind === 'pass' && choices.length > 0) return 'omit';
    this.out = kind === 'pass' ? this.rewritten(event) : this.content(event, data, choices);
    return kind;
  }

  instead(): Buffer {
    return this.out;
  }

  private content(event: Buffer, data: Buffer, choices: readonly Choice[]): Buffer {
    if (this.waiting === undefined) {
      this.kept.take(data, choices);
      return this.rewritten(event);
    }
    const choice = choices.length === 1 ? choices[0]! : undefined;
    const text = choice && textOf(choice);
    if (choice === undefined || text === undefined) {
      // Not a text alone: it stands as it came, behind what waits.
      const before = this.released(this.waiting);
      this.kept.give();
      return Buffer.concat([before, this.rewritten(event)]);
    }
    const finishes = typeof choice['finish_reason'] === 'string';
    if (text === '' && this.begin === '' && !finishes) {
      // Thoughts before the text.
      this.kept.add('');
      return this.rewritten(event);
    }
    this.waiting.push({ event, choice, text });
    this.begin += text;
    return !finishes && mayGrow(this.joint.soFar.text, this.begin) ? NOTHING : this.released(this.waiting);
  }

  private released(waiting: readonly Waiting[]): Buffer {
    this.waiting = undefined;
    let repeated = overlap(this.joint.soFar.text, this.begin);
    const out: Buffer[] = [];
    for (const { event, choice, text } of waiting) {
      const cut = Math.min(repeated, text.length);
      repeated -= cut;
      this.kept.add(text.slice(cut));
      if (cut === 0) out.push(this.rewritten(event));
      else if (cut < text.length || typeof choice['finish_reason'] === 'string') out.push(this.rewritten(event, without(choice, cut)));
    }
    return Buffer.concat(out);
  }

  /** The event as part of the first stream; all else as it came. */
  private rewritten(event: Buffer, choice?: Choice): Buffer {
    const { scanner } = this;
    const { soFar, by } = this.joint;
    const data = eventData(event)!;
    scanner.scan(data);
    const edits: Edit[] = [];
    for (const name of IDENTITY) {
      const span = scanner.span(name);
      const text = soFar.identity[name];
      if (span !== undefined && text !== undefined) edits.push({ ...span, text });
    }
    const usage = scanner.span('usage');
    const used = usage && jointUsage(parseJson(data.toString('utf8', usage.start, usage.end)), soFar, by);
    if (used !== undefined) edits.push({ ...usage!, text: JSON.stringify(used) });
    if (choice !== undefined) edits.push({ ...scanner.span('choices')!, text: JSON.stringify([choice]) });
    return replaced(event, data, splice(data, edits));
  }
}

/** @returns the choice without the first letters of its text */
function without(choice: Choice, letters: number): Choice {
  const { delta, text } = choice;
  if (isRecord(delta)) return { ...choice, delta: { ...delta, content: String(delta['content']).slice(letters) } };
  return { ...choice, text: String(text).slice(letters) };
}

function listAt(data: Buffer, span: Span | undefined): Choice[] {
  const value = span && parseJson(data.toString('utf8', span.start, span.end));
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

/** The event with other data: in its place, or in one line where it stood in several. */
function replaced(event: Buffer, data: Buffer, other: Buffer): Buffer {
  const at = data.byteOffset - event.byteOffset;
  const inPlace = data.buffer === event.buffer && at >= 0 && at + data.length <= event.length;
  if (inPlace) return Buffer.concat([event.subarray(0, at), other, event.subarray(at + data.length)]);
  return Buffer.from(`data: ${other.toString().replaceAll('\n', ' ')}\n\n`);
}
