/** Values of a JSON object by where they stand in its bytes: read, or replaced. */
import type { Span } from '../../wire/json-scan.ts';

/** A text in place of the bytes of a span; an empty span only adds. */
export interface Edit extends Span {
  readonly text: string;
}

export function splice(body: Buffer, edits: Edit[]): Buffer {
  if (edits.length > 1) edits.sort((a, b) => a.start - b.start);
  let { length } = body;
  for (const { start, end, text } of edits) length += Buffer.byteLength(text) - (end - start);
  const spliced = Buffer.allocUnsafe(length);
  let from = 0;
  let to = 0;
  for (const { start, end, text } of edits) {
    to += body.copy(spliced, to, from, start);
    to += spliced.write(text, to);
    from = end;
  }
  body.copy(spliced, to, from);
  return spliced;
}

export function textAt(body: Buffer, span: Span | undefined): string | undefined {
  return span && body.toString('utf8', span.start, span.end);
}

/** What is not a whole number above 0 is the upstream's to refuse. */
export function wholeNumber(body: Buffer, span: Span | undefined): number | undefined {
  if (span === undefined || span.end - span.start > 12) return undefined;
  const value = Number(textAt(body, span));
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

const OPEN_LIST = 0x5b;

/** A list without members; there may be white space in it. */
export function isEmptyList(body: Buffer, { start, end }: Span): boolean {
  return body[start] === OPEN_LIST && (end - start === 2 || (end - start < 16 && body.toString('latin1', start + 1, end - 1).trim() === ''));
}

/** A list with members. */
export function isList(body: Buffer, span: Span | undefined): boolean {
  return span !== undefined && body[span.start] === OPEN_LIST && !isEmptyList(body, span);
}
