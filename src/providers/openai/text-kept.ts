import { isRecord, parseJson } from '../../wire/record.ts';
import type { SoFar } from '../types.ts';

/** A text beyond this (a million letters) is let go of, and no model goes on from it. */
const MOST = 1_000_000;
/** Pieces are joined now and then: many small strings take many times the memory of one. */
const JOINED = 256;
/** A model's thoughts are no part of its answer: another goes on without them. */
const THOUGHTS = new Set(['reasoning', 'reasoning_content', 'reasoning_details']);
/** What the events of one stream have in common. */
export const IDENTITY = ['id', 'model', 'created'] as const;

/** The text of a stream as it is given out, kept so that another model can go on from it. */
export class TextKept {
  /** False once there is more than the text of one choice. */
  private plain = true;
  private text: string;
  private pieces: string[] = [];
  private length: number;
  /** Events with text, and all that say something. */
  private withText = 0;
  private saying = 0;
  private identity: Record<string, string> | undefined;
  private readonly before: SoFar | undefined;

  /** @param before what this stream goes on from */
  constructor(before?: SoFar) {
    this.before = before;
    this.text = before?.text ?? '';
    this.length = this.text.length;
    this.identity = before?.identity;
  }

  /** @param data the event in which the choices stood */
  take(data: Buffer, choices: readonly Record<string, unknown>[]): void {
    this.identity ??= identityOf(parseJson(data.toString()));
    const text = choices.length === 1 ? textOf(choices[0]!) : undefined;
    if (text === undefined) this.give();
    else this.add(text);
  }

  add(text: string): void {
    if (!this.plain) return;
    this.saying++;
    if (text === '') return;
    this.withText++;
    this.length += text.length;
    this.pieces.push(text);
    if (this.length > MOST) this.give();
    else if (this.pieces.length === JOINED) this.join();
  }

  /** There is more than text: no model can go on from it. */
  give(): void {
    this.plain = false;
    this.text = '';
    this.pieces = [];
  }

  /** @param tokens output tokens of this stream */
  soFar(tokens: number, input: number | undefined): SoFar | undefined {
    if (!this.plain) return undefined;
    this.join();
    const { before } = this;
    const ofText = this.saying === 0 ? 0 : Math.ceil((tokens * this.withText) / this.saying);
    return {
      text: this.text,
      tokens: tokens + (before?.tokens ?? 0),
      textTokens: ofText + (before?.textTokens ?? 0),
      input: before === undefined ? input : before.input,
      identity: this.identity ?? {},
    };
  }

  private join(): void {
    this.text += this.pieces.join('');
    this.pieces = [];
  }
}

/** What a choice adds to the text; undefined if it says more than text. A chat's text stands in `delta`, a completion's in `text`. */
export function textOf(choice: Record<string, unknown>): string | undefined {
  if ((choice['index'] ?? 0) !== 0 || !isNothing(choice['logprobs'])) return undefined;
  const { delta, text } = choice;
  if (!isRecord(delta)) return typeof text === 'string' ? text : '';
  let found = '';
  for (const [name, value] of Object.entries(delta)) {
    if (name === 'role' || isNothing(value) || THOUGHTS.has(name)) continue;
    if (name !== 'content' || typeof value !== 'string') return undefined;
    found = value;
  }
  return found;
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);
}

function identityOf(event: unknown): Record<string, string> {
  const found: Record<string, string> = {};
  if (!isRecord(event)) return found;
  for (const name of IDENTITY) if (event[name] !== undefined && event[name] !== null) found[name] = JSON.stringify(event[name]);
  return found;
}
