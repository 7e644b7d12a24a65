/** Lines of a terminal: text with a tone, so that a line can be cut to the terminal's width before it is coloured. */

export type Tone = 'bold' | 'dim' | 'good' | 'warn' | 'bad';
export type Span = string | readonly [Tone, string];
export type Line = readonly Span[];

const CODES: Readonly<Record<Tone, string>> = { bold: '1', dim: '2', good: '32', warn: '33', bad: '31' };

export function fit(line: Line, columns: number): Line {
  const kept: Span[] = [];
  let room = columns;
  for (const span of line) {
    if (room <= 0) break;
    const text = typeof span === 'string' ? span : span[1];
    const cut = text.slice(0, room);
    kept.push(typeof span === 'string' ? cut : [span[0], cut]);
    room -= cut.length;
  }
  return kept;
}

export function plain(line: Line): string {
  return line.map((span) => (typeof span === 'string' ? span : span[1])).join('').trimEnd();
}

export function paint(line: Line): string {
  return line.map((span) => (typeof span === 'string' ? span : `\x1b[${CODES[span[0]]}m${span[1]}\x1b[0m`)).join('');
}

/** m:ss */
export function clockText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}
