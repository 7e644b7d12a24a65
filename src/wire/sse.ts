/** Server-sent events as bytes (WHATWG HTML, 9.2). Lines end in LF or CRLF; no provider sends lone CR. */

const LF = 10;
const CR = 13;
const QUOTE = 0x22;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/** Cuts a byte stream into whole events, each with the empty line that ends it; copies only an event that two chunks share. */
export class SseSplitter {
  private carry: Uint8Array[] = [];
  private atLineStart = true;
  /** Of the event that has begun, those that are not empty. */
  private lines = 0;
  /** Bytes of the event that has begun and not ended. */
  carried = 0;

  /** Calls `onEvent` once per event that this chunk completes, in order; most have one line. */
  push(chunk: Buffer, onEvent: (event: Buffer, isOneLine: boolean) => void): void {
    let begin = 0;
    let lineStart = 0;
    for (;;) {
      const newline = chunk[lineStart] === LF ? lineStart : chunk.indexOf(LF, lineStart);
      if (newline < 0) break;
      const empty = this.atLineStart && (newline === lineStart || (newline === lineStart + 1 && chunk[lineStart] === CR));
      this.atLineStart = true;
      lineStart = newline + 1;
      if (!empty) {
        this.lines++;
        continue;
      }
      const rest = chunk.subarray(begin, lineStart);
      const isOneLine = this.lines === 1;
      begin = lineStart;
      this.lines = 0;
      onEvent(this.carried === 0 ? rest : this.join(rest), isOneLine);
    }
    if (lineStart < chunk.length && !(this.atLineStart && lineStart === chunk.length - 1 && chunk[lineStart] === CR)) {
      this.atLineStart = false;
    }
    if (begin < chunk.length) {
      this.carry.push(chunk.subarray(begin));
      this.carried += chunk.length - begin;
    }
  }

  private join(rest: Buffer): Buffer {
    const event = Buffer.concat([...this.carry, rest]);
    this.carry = [];
    this.carried = 0;
    return event;
  }
}

/**
 * The event's data, its lines joined by LF; undefined for an event without data (a comment, a keep-alive); null if a line that
 * is no field could hold text: clients pass over such a line, and what stands in it would be lost without a word.
 * @param isOneLine it is known to be one line and the empty one that ends it: then nothing is searched for
 */
export function eventData(event: Buffer, isOneLine = false): Buffer | undefined | null {
  if (isOneLine) {
    const stop = onlyLine(event);
    const from = dataStart(event, 0, stop);
    if (from >= 0) return event.subarray(from, stop);
  }
  let first: Buffer | undefined;
  let lines: Buffer[] | undefined;
  let start = 0;
  while (start < event.length) {
    let end = event.indexOf(LF, start);
    if (end < 0) end = event.length;
    const stop = end > start && event[end - 1] === CR ? end - 1 : end;
    const from = dataStart(event, start, stop);
    if (from >= 0) {
      const line = event.subarray(from, stop);
      if (first === undefined) first = line;
      else (lines ??= [first]).push(Buffer.from('\n'), line);
    } else if (stop > start && isStray(event, start, stop)) return null;
    start = end + 1;
  }
  return lines === undefined ? first : Buffer.concat(lines);
}

/** Where the event's only line ends. */
function onlyLine(event: Buffer): number {
  let at = event.length - 2;
  if (event[at] === CR) at--;
  return event[at - 1] === CR ? at - 1 : at;
}

/** The `event` field, or the empty text. */
export function eventName(event: Buffer): string {
  return /^event:? ?(.*?)\r?$/m.exec(event.toString('latin1'))?.[1] ?? '';
}

/** With a brace or a quote in it, and no comment in words: perhaps what is left of some JSON. Names of events have none. */
function isStray(event: Buffer, start: number, stop: number): boolean {
  let at = start;
  while (at < stop && event[at] !== QUOTE && event[at] !== OPEN && event[at] !== CLOSE) at++;
  if (at === stop) return false;
  const line = event.toString('latin1', start, stop);
  return !/^: ?[a-z][\w-]*(?![\w:-])/i.test(line) || /data: ?\{/.test(line);
}

function dataStart(event: Buffer, start: number, stop: number): number {
  const isData =
    stop - start >= 4 && event[start] === 0x64 && event[start + 1] === 0x61 && event[start + 2] === 0x74 && event[start + 3] === 0x61;
  if (!isData) return -1;
  if (stop === start + 4) return stop;
  if (event[start + 4] !== 0x3a) return -1;
  return event[start + 5] === 0x20 && start + 5 < stop ? start + 6 : start + 5;
}
