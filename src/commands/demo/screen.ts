/** Where the show is seen: a terminal that is redrawn in place, or lines for whatever else reads them. */
import type { Event } from './story.ts';
import { clockText, fit, paint, plain, type Line } from './text.ts';
import { ASCII, BLOCKS, eventLine, frame, statusText, type Picture } from './view.ts';

export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

export interface Screen {
  event(event: Event): void;
  show(picture: Picture): void;
  /** Leaves the last picture standing and gives the cursor back. */
  close(): void;
}

type Write = (text: string) => void;
type Environment = Readonly<Record<string, string | undefined>>;

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
const CLEAR_ALL = '\x1b[2J\x1b[H';
const STATUS_MS = 5_000;

export function openScreen(banner: readonly string[], write: Write, terminal: Terminal, env: Environment): Screen {
  const isLive = terminal.isTTY === true && env['TERM'] !== 'dumb';
  return isLive ? liveScreen(banner, write, terminal, env) : plainScreen(banner, write);
}

/** One line an event, and every five seconds one that tells all, if it tells anything new. */
function plainScreen(banner: readonly string[], write: Write): Screen {
  let toldAt = 0;
  let told = '';
  write(banner.map((line) => `${line}\n`).join(''));
  return {
    event: (event) => write(`${plain(eventLine(event))}\n`),
    show(picture) {
      if (picture.at - toldAt < STATUS_MS) return;
      toldAt = picture.at;
      const text = statusText(picture);
      if (text !== told) write(`${clockText(picture.at).padStart(4)}  ${text}\n`);
      told = text;
    },
    close: () => undefined,
  };
}

function liveScreen(banner: readonly string[], write: Write, terminal: Terminal, env: Environment): Screen {
  const draw = (env['NO_COLOR'] ?? '') === '' ? paint : plain;
  const glyphs = /utf-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '') ? BLOCKS : ASCII;
  const header = banner.map((line) => `${line}\n`).join('');
  let last: Picture | undefined;
  let height = 0;
  const lines = (picture: Picture): Line[] => {
    const columns = terminal.columns || 80;
    const rows = terminal.rows || 24;
    const above = banner.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
    // The last column stays free: some terminals go to the next line there. So does the last row, for the cursor.
    return frame(picture, columns, rows - 1, glyphs, rows - 1 - above).map((line) => fit(line, columns - 1));
  };
  const show = (picture: Picture): void => {
    last = picture;
    const drawn = lines(picture).map((line) => `${draw(line)}${CLEAR_LINE}\n`);
    // In one piece, over what is there: nothing is blank in between. A typed ^C may have moved the cursor right.
    write(`\r${height > 0 ? `\x1b[${height}A` : ''}${drawn.join('')}${CLEAR_BELOW}`);
    height = drawn.length;
  };
  const onResize = (): void => {
    height = 0;
    write(`${CLEAR_ALL}${header}`);
    if (last !== undefined) show(last);
  };
  const giveBack = (): void => write(SHOW_CURSOR);
  write(`${HIDE_CURSOR}${header}`);
  terminal.on('resize', onResize);
  // However the process ends.
  process.once('exit', giveBack);
  return {
    event: () => undefined,
    show,
    close() {
      terminal.off('resize', onResize);
      process.off('exit', giveBack);
      giveBack();
    },
  };
}
