/** The live view as lines, and as one line for output that is no terminal. Pure: figures in, text out. */
import type { ClientCounts } from './client.ts';
import type { Figures, ModelFigures, Use } from './figures.ts';
import type { SceneGroup } from './scene.ts';
import type { Event, Serving } from './story.ts';
import { clockText, count, type Line, type Span } from './text.ts';

export interface Picture {
  /** Since the start, in ms. */
  readonly at: number;
  /** Undefined: until it is stopped. */
  readonly durationMs: number | undefined;
  readonly figures: Figures;
  readonly groups: readonly SceneGroup[];
  readonly serving: (group: string) => Serving | undefined;
  /** Undefined without an app of our own. */
  readonly client: ClientCounts | undefined;
  readonly events: readonly Event[];
}

export interface Glyphs {
  readonly full: string;
  readonly empty: string;
}

export const BLOCKS: Glyphs = { full: '█', empty: '░' };
export const ASCII: Glyphs = { full: '#', empty: '.' };

const BAR = 8;
/** Below this the bars make room for the numbers. */
const WIDE = 76;
const LEAST_EVENTS = 3;
const MOST_EVENTS = 12;

/** @param rows how many lines there may be @param wanted how many there should be: events are left out to come near it */
export function frame(picture: Picture, columns: number, rows: number, glyphs: Glyphs, wanted: number = rows): Line[] {
  const fixed = [[['bold', 'Spillway demo'], `  ${timeText(picture)}`] as Line, [''], ...table(picture, columns >= WIDE, glyphs), [''], ...groupLines(picture), [''], ...countLines(picture)];
  const room = Math.min(MOST_EVENTS, Math.max(LEAST_EVENTS, wanted - fixed.length - 1));
  const events = picture.events.slice(-room).map(eventLine);
  return [...fixed, [''], ...events].slice(0, Math.max(1, rows));
}

function timeText({ at, durationMs }: Picture): string {
  return durationMs === undefined ? `${clockText(at)}, until Ctrl-C` : `${clockText(Math.min(at, durationMs))} of ${clockText(durationMs)}`;
}

function table({ figures }: Picture, wide: boolean, glyphs: Glyphs): Line[] {
  const rows = [...figures.models].map(([name, model]) => ({ name, model, requests: useText(model.requests), tokens: useText(model.tokens) }));
  const names = longest(rows.map(({ name }) => name));
  const barWidth = wide ? BAR + 1 : 0;
  const requests = Math.max(longest(rows.map((row) => row.requests)) + barWidth, 'requests/min'.length);
  const tokens = Math.max(longest(rows.map((row) => row.tokens)) + barWidth, 'tokens/min'.length);
  const head = `${'model'.padEnd(names)}  ${'requests/min'.padEnd(requests)}  ${'tokens/min'.padEnd(tokens)}  answered`;
  const cell = (use: Use, text: string, width: number): Span[] => (wide ? bar(use, glyphs) : []).concat(text.padEnd(width - barWidth), '  ');
  const lines = rows.map((row): Line =>
    [`${row.name.padEnd(names)}  ` as Span].concat(
      cell(row.model.requests, row.requests, requests),
      cell(row.model.tokens, row.tokens, tokens),
      count(row.model.answered).padStart('answered'.length),
    ),
  );
  return [[['dim', head]], ...lines];
}

function bar({ used, limit }: Use, { full, empty }: Glyphs): Span[] {
  const share = limit === 0 ? 0 : Math.min(1, used / limit);
  const filled = used > 0 ? Math.max(1, Math.floor(share * BAR)) : 0;
  return [[share > 0.85 ? 'warn' : 'good', full.repeat(filled)], ['dim', empty.repeat(BAR - filled)], ' '];
}

function groupLines({ groups, serving }: Picture): Line[] {
  const names = longest(groups.map(({ name }) => name));
  return groups.map(({ name, primary }) => {
    const now = serving(name);
    const who: Span = now === undefined ? ['dim', 'nobody yet'] : [now.model === primary ? 'good' : 'warn', now.model];
    return [`${name.padEnd(names)}  served by `, who, now?.reason ? `  ${now.reason}` : ''];
  });
}

function countLines({ client, figures, groups }: Picture): Line[] {
  const lines: Line[] = [];
  if (client !== undefined) {
    const { sent, answered, failed } = client;
    lines.push([`app: ${count(sent)} sent, ${count(answered)} answered, `, failed === 0 ? '0 failed' : ['bad', `${count(failed)} failed`]]);
  }
  const shared = sharedText(figures, groups);
  if (shared !== undefined) lines.push([shared]);
  return lines;
}

/** Undefined for a sidecar that shares with nobody. */
function sharedText({ models }: Figures, groups: readonly SceneGroup[]): string | undefined {
  const parts = groups.map(({ primary }) => ({ primary, calls: models.get(primary)?.calls ?? [] }));
  if (parts.every(({ calls }) => calls.length < 2)) return undefined;
  return `${parts[0]!.calls.length} sidecars share each budget; calls: ${parts.map(({ primary, calls }) => `${primary} ${calls.join(' + ')}`).join(', ')}`;
}

export function eventLine({ at, text, tone }: Event): Line {
  return [['dim', `${clockText(at).padStart(4)}  `], tone === undefined ? text : [tone, text]];
}

/** Without the time, so that a line that says nothing new can be left out. */
export function statusText({ figures, groups, client }: Picture): string {
  const parts = [...figures.models].map(([name, { requests, tokens }]) => `${name} ${useText(requests)} requests ${useText(tokens)} tokens`);
  if (client !== undefined) parts.push(`app ${count(client.sent)} sent ${count(client.answered)} answered ${count(client.failed)} failed`);
  else parts.push(`${count(answeredOf(figures.models))} answered`);
  const shared = sharedText(figures, groups);
  if (shared !== undefined) parts.push(shared);
  return parts.join(' | ');
}

export function answeredOf(models: ReadonlyMap<string, ModelFigures>): number {
  return [...models.values()].reduce((total, { answered }) => total + answered, 0);
}

function useText({ used, limit }: Use): string {
  return `${count(used)}/${count(limit)}`;
}

function longest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length));
}
