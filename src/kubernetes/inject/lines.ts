/** Lines of a text and edits to it: what is not edited stays as it is, byte for byte. */

export interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** Edits at the same place are made in the order they are given. */
export function applied(text: string, edits: readonly Edit[]): string {
  const sorted = edits.toSorted((a, b) => a.from - b.from);
  let result = '';
  let at = 0;
  for (const { from, to, text: inserted } of sorted) {
    result += text.slice(at, from) + inserted;
    at = to;
  }
  return result + text.slice(at);
}

export function lineStart(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1;
}

/** Where the line after the one of `at` begins; the end of the text if there is none. */
export function nextLine(text: string, at: number): number {
  if (at > 0 && text[at - 1] === '\n') return at;
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end + 1;
}

export function eolOf(text: string): '\r\n' | '\n' {
  const first = text.indexOf('\n');
  return first > 0 && text[first - 1] === '\r' ? '\r\n' : '\n';
}

/** Whole lines at the beginning of a line, or at the end of a text whose last line has no end. */
export function insertedLines(text: string, at: number, lines: string): Edit {
  const eol = eolOf(text);
  const ready = lines.replaceAll('\n', eol);
  const unended = at === text.length && at > 0 && text[at - 1] !== '\n';
  return { from: at, to: at, text: unended ? eol + ready.slice(0, -eol.length) : ready };
}

/** The opposite of `insertedLines`, for ranges of whole lines. */
export function removedLines(text: string, ranges: readonly (readonly [from: number, to: number])[]): Edit[] {
  const joined: [from: number, to: number][] = [];
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last?.[1] === from) last[1] = to;
    else joined.push([from, to]);
  }
  return joined.map(([from, to]) => {
    const unended = to === text.length && text[to - 1] !== '\n' && from > 0;
    return { from: unended ? from - (text[from - 2] === '\r' ? 2 : 1) : from, to, text: '' };
  });
}

/** Upwards over lines that are only a comment, so that they stay with what they stand above. */
export function aboveComments(text: string, at: number, floor: number): number {
  let start = at;
  while (start > floor) {
    const above = lineStart(text, start - 1);
    if (above < floor || !/^[ \t]*#/.test(text.slice(above, start))) break;
    start = above;
  }
  return start;
}
