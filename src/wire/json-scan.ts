/**
 * Finds the members of a JSON object in its bytes, and checks the JSON (RFC 8259) on the way, without building anything:
 * pass-through forwards the bytes, so it needs to know where `model` stands, not what the prompt says.
 * UTF-8 inside strings is not checked here (see node:buffer's isUtf8).
 */

import { isBase64 } from './base64.ts';
import { isPlain, PLAIN } from './plain-bytes.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LONG_STRING = 1024;
/** Deeper than any request of the official clients; bounds the stack of an attacker's. */
export const MAX_DEPTH = 256;

const text = new TextDecoder();
const NOTHING = new Uint8Array(0);
const NO_WORDS = new Int32Array(0);
/** For fewer bytes a view of words costs more than it saves. */
const MANY = 256;

/** Where a wanted member's value stands: `start` inclusive, `end` exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** What long base64 strings (images, audio, files) take up: their bytes say nothing of their tokens. */
export interface Media {
  bytes: number;
  parts: number;
}

/** One scanner for one set of member names; it holds the last scan's result and is used synchronously. */
export class JsonScanner {
  private readonly names: readonly string[];
  private readonly spans: (Span | undefined)[];
  private readonly seen: number[];
  private readonly stack = new Uint8Array(MAX_DEPTH);
  private bytes: Uint8Array = NOTHING;
  /** The same bytes four at a time; byte i stands in word (i + shift) / 4. */
  private words: Int32Array = NO_WORDS;
  private shift = 0;
  private limit = 0;
  /** Long base64 strings of the last scan. */
  readonly media: Media = { bytes: 0, parts: 0 };
  /** Of the last scan that returned false: what was wrong, and where. */
  problem = '';
  position = 0;

  constructor(names: readonly string[]) {
    this.names = names;
    this.spans = names.map(() => undefined);
    this.seen = names.map(() => 0);
  }

  /** Scans one whole JSON object between `from` and `to`. @returns false if it is not one; see `problem`. */
  scan(bytes: Uint8Array, from = 0, to = bytes.length): boolean {
    this.bytes = bytes;
    this.limit = to;
    // A view begins at a multiple of four of its memory.
    this.shift = bytes.byteOffset & 3;
    this.words = to - from < MANY ? NO_WORDS : new Int32Array(bytes.buffer, bytes.byteOffset - this.shift, (to + this.shift) >> 2);
    this.spans.fill(undefined);
    this.seen.fill(0);
    this.media.bytes = 0;
    this.media.parts = 0;
    this.problem = '';
    const end = this.scanObject(from);
    this.bytes = NOTHING;
    this.words = NO_WORDS;
    return end >= 0;
  }

  /** The value of the wanted member `name` in the last scan; the last one if it stood more than once, as JSON.parse has it. */
  span(name: string): Span | undefined {
    return this.spans[this.names.indexOf(name)];
  }

  /** A wanted member that stood more than once in the last scan. */
  duplicate(): string | undefined {
    for (let i = 0; i < this.seen.length; i++) if (this.seen[i]! > 1) return this.names[i];
    return undefined;
  }

  private scanObject(from: number): number {
    let i = this.space(from);
    if (this.bytes[i] !== 0x7b || i >= this.limit) return this.fail('a JSON object must start with {', i);
    i = this.space(i + 1);
    if (this.bytes[i] === 0x7d && i < this.limit) return this.atEnd(i + 1);
    for (;;) {
      if (i >= this.limit || this.bytes[i] !== QUOTE) return this.fail('expected a member name in double quotes', i);
      const keyEnd = this.string(i);
      if (keyEnd < 0) return -1;
      const name = this.wanted(i + 1, keyEnd - 1);
      i = this.space(keyEnd);
      if (i >= this.limit || this.bytes[i] !== 0x3a) return this.fail('expected : after the member name', i);
      const start = this.space(i + 1);
      const end = this.value(start);
      if (end < 0) return -1;
      if (name >= 0) {
        this.spans[name] = { start, end };
        this.seen[name]!++;
      }
      i = this.space(end);
      const c = i < this.limit ? this.bytes[i] : 0;
      if (c === 0x7d) return this.atEnd(i + 1);
      if (c !== 0x2c) return this.fail('expected , or } after a value', i);
      i = this.space(i + 1);
    }
  }

  private atEnd(i: number): number {
    const end = this.space(i);
    return end === this.limit ? end : this.fail('more text after the end of the object', end);
  }

  private wanted(start: number, end: number): number {
    const { bytes, names } = this;
    for (let n = 0; n < names.length; n++) {
      const name = names[n]!;
      if (name.length !== end - start) continue;
      let same = 0;
      while (same < name.length && bytes[start + same] === name.charCodeAt(same)) same++;
      if (same === name.length) return n;
    }
    // "mod\u0065l" is the same member name as "model" (RFC 8259, 8.3).
    let i = start;
    while (i < end && bytes[i] !== BACKSLASH) i++;
    return i === end ? -1 : names.indexOf(JSON.parse(text.decode(bytes.subarray(start - 1, end + 1))));
  }

  private value(from: number): number {
    const { bytes, limit, stack } = this;
    let i = from;
    let depth = 0;
    for (;;) {
      const c = i < limit ? bytes[i] : -1;
      if (c === QUOTE) i = this.string(i);
      else if (c === 0x7b || c === 0x5b) {
        const close = c === 0x7b ? 0x7d : 0x5d;
        i = this.space(i + 1);
        if (i < limit && bytes[i] === close) i++;
        else {
          if (depth === MAX_DEPTH) return this.fail(`nested more than ${MAX_DEPTH} levels deep`, i);
          stack[depth++] = close;
          if (close === 0x7d) i = this.key(i);
          if (i < 0) return -1;
          continue;
        }
      } else i = this.atom(i);
      if (i < 0) return -1;
      // After a value: close what ends here, or go on to the next value.
      for (;;) {
        if (depth === 0) return i;
        i = this.space(i);
        const next = i < limit ? bytes[i] : -1;
        const close = stack[depth - 1]!;
        if (next === close) {
          depth--;
          i++;
          continue;
        }
        if (next !== 0x2c) return this.fail(`expected , or ${close === 0x7d ? '}' : ']'} after a value`, i);
        i = this.space(i + 1);
        if (close === 0x7d) i = this.key(i);
        if (i < 0) return -1;
        break;
      }
    }
  }

  private key(from: number): number {
    if (from >= this.limit || this.bytes[from] !== QUOTE) return this.fail('expected a member name in double quotes', from);
    const end = this.string(from);
    if (end < 0) return -1;
    const colon = this.space(end);
    if (colon >= this.limit || this.bytes[colon] !== 0x3a) return this.fail('expected : after the member name', colon);
    return this.space(colon + 1);
  }

  private string(from: number): number {
    const { bytes, limit } = this;
    let i = from + 1;
    for (;;) {
      i = this.plain(i);
      if (i >= limit) return this.fail('a string has no end', from);
      const c = bytes[i]!;
      if (c === QUOTE) {
        if (i - from > LONG_STRING) this.weigh(from + 1, i);
        return i + 1;
      }
      if (c !== BACKSLASH) return this.fail('a control character inside a string must be escaped', i);
      const length = this.escape(i);
      if (length === 0) return this.fail('not an escape of JSON', i);
      i += length;
    }
  }

  /** Skips bytes that may stand in a string as they are, four at a time where there are many. */
  private plain(from: number): number {
    const { bytes, limit, words, shift } = this;
    let i = from;
    while (i < limit && PLAIN[bytes[i]!] === 1) {
      i++;
      if (((i + shift) & 3) !== 0) continue;
      const last = Math.min(words.length, (limit + shift) >> 2);
      let word = (i + shift) >> 2;
      while (word < last && isPlain(words[word]!)) word++;
      i = Math.max(i, (word << 2) - shift);
    }
    return i;
  }

  /** @returns the escape's length, 0 if it is none. */
  private escape(at: number): number {
    const { bytes, limit } = this;
    const c = at + 1 < limit ? bytes[at + 1]! : 0;
    if (c === 0x75) {
      if (at + 6 > limit) return 0;
      for (let k = 2; k < 6; k++) if (!isHex(bytes[at + k]!)) return 0;
      return 6;
    }
    // " \ / b f n r t
    const known = c === 0x22 || c === 0x5c || c === 0x2f || c === 0x62 || c === 0x66 || c === 0x6e || c === 0x72 || c === 0x74;
    return known ? 2 : 0;
  }

  private atom(from: number): number {
    const c = from < this.limit ? this.bytes[from]! : 0;
    if (c === 0x74) return this.literal(from, 'true');
    if (c === 0x66) return this.literal(from, 'false');
    if (c === 0x6e) return this.literal(from, 'null');
    return this.number(from);
  }

  private literal(from: number, word: string): number {
    for (let k = 0; k < word.length; k++) {
      if (from + k >= this.limit || this.bytes[from + k] !== word.charCodeAt(k)) return this.fail('not a JSON value', from);
    }
    return from + word.length;
  }

  private number(from: number): number {
    let i = from;
    if (this.at(i) === 0x2d) i++;
    const first = i;
    i = this.digits(i);
    if (i === first || (this.at(first) === 0x30 && i > first + 1)) return this.fail('not a JSON value', from);
    if (this.at(i) === 0x2e) {
      const fraction = i + 1;
      i = this.digits(fraction);
      if (i === fraction) return this.fail('not a JSON number', from);
    }
    if (this.at(i) === 0x65 || this.at(i) === 0x45) {
      let exponent = i + 1;
      if (this.at(exponent) === 0x2b || this.at(exponent) === 0x2d) exponent++;
      i = this.digits(exponent);
      if (i === exponent) return this.fail('not a JSON number', from);
    }
    return i;
  }

  private at(i: number): number {
    return i < this.limit ? this.bytes[i]! : 0;
  }

  private digits(from: number): number {
    let i = from;
    while (this.at(i) >= 0x30 && this.at(i) <= 0x39) i++;
    return i;
  }

  private space(from: number): number {
    const { bytes, limit } = this;
    let i = from;
    while (i < limit && (bytes[i] === 0x20 || bytes[i] === 0x0a || bytes[i] === 0x0d || bytes[i] === 0x09)) i++;
    return i;
  }

  private weigh(start: number, end: number): void {
    if (!isBase64(this.bytes, start, end)) return;
    this.media.bytes += end - start;
    this.media.parts++;
  }

  private fail(problem: string, position: number): -1 {
    this.problem = problem;
    this.position = position;
    return -1;
  }
}

function isHex(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x46) || (c >= 0x61 && c <= 0x66);
}
