/**
 * `npm run budgets:table [-- --write]`: Spillway's budgets beside two common ways to share a limit, under the same loads.
 * `--write` keeps the tables in docs/budgets.md.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { KEEPS, type Contender } from '../test/simulation/experiments.ts';
import { measured, type Figures } from '../test/simulation/measured.ts';
import type { Sizes } from '../test/simulation/scenario.ts';
import { onRedis, type OnRedis } from './budgets-on-redis.ts';

const SEEDS = 40;
const BACKLOG_SEEDS = 6;
const NAMES: Readonly<Partial<Record<Contender, string>>> = {
  spillway: 'Spillway',
  fixedWindow: 'fixed window',
  fixedWindowReturning: 'fixed window, refusals given back',
  twoBuckets: 'two buckets',
};
const CONTENDERS = Object.keys(NAMES) as Contender[];
/** Tokens bind. */
const MANY = { requests: 1_000_000, tokens: 100_000 };

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const mean = (list: readonly number[]): number => list.reduce((sum, each) => sum + each, 0) / list.length;

interface Row {
  readonly what: string;
  readonly values: readonly string[];
}

/** One row for each reading of the same figures; figures by contender. */
function rows<T>(of: readonly T[], readings: Readonly<Record<string, (each: T) => string>>): Row[] {
  return Object.entries(readings).map(([what, read]) => ({ what, values: of.map(read) }));
}

async function anyLoad(estimate: readonly [number, number]): Promise<Figures<'anyLoad'>[][]> {
  const all: Figures<'anyLoad'>[][] = [];
  for (const contender of CONTENDERS) all.push(await measured('anyLoad', { contender, estimate }, SEEDS));
  return all;
}

/** Of 10,000 calls. */
function refused(figures: readonly Figures<'anyLoad'>[], name: string): string {
  const arrived = figures.reduce((sum, each) => sum + each.arrived, 0);
  const count = figures.reduce((sum, each) => sum + each.refused[name]!, 0);
  return count === 0 ? '0' : ((10_000 * count) / arrived).toFixed(1);
}

async function loads(): Promise<Row[]> {
  const worst = (figures: readonly Figures<'anyLoad'>[]): string => percent(Math.max(...figures.map((each) => each.worst)));
  const above = (figures: readonly Figures<'anyLoad'>[]): string => `${figures.filter((each) => each.worst > 1).length} of ${SEEDS}`;
  const known = rows(await anyLoad([1, 1]), {
    'sizes known: the fullest 60 s of all fleets, of the limit': worst,
    'fleets with 60 s above the limit': above,
    'refused by a token bucket, of 10,000 calls': (each) => refused(each, 'token-bucket'),
    'refused by a fixed minute': (each) => refused(each, 'fixed-minute'),
    'refused by a sliding log': (each) => refused(each, 'sliding-log'),
    'the fullest 60 s, were tokens counted while they are produced': (each) => percent(Math.max(...each.map(({ worstProduced }) => worstProduced))),
  });
  const estimated = rows(await anyLoad([1, 4]), {
    'estimates up to 4 times too high: the fullest 60 s': worst,
    'refused by a sliding log, of 10,000 calls': (each) => refused(each, 'sliding-log'),
    'refused by a token bucket that keeps what was reserved': (each) => refused(each, KEEPS),
  });
  return [...known, ...estimated];
}

const BACKLOGS: Readonly<Record<string, Partial<Sizes>>> = {
  'sizes known': {},
  'estimates up to 3 times too high, calls of up to 10 s': { estimate: [1, 3] },
  'the same, half of it streams of up to 2 minutes': { estimate: [1, 3], streams: 0.5 },
  'all streams, estimates 4 times too high': { estimate: [4, 4], streams: 1 },
  'estimates too low: 0.4 to 0.8 of the truth': { estimate: [0.4, 0.8] },
};

async function backlogs(): Promise<Row[]> {
  const found: Row[] = [];
  for (const [what, sizes] of Object.entries(BACKLOGS)) {
    const values: string[] = [];
    for (const contender of CONTENDERS) {
      const figures = await measured('backlog', { contender, limits: MANY, sizes }, BACKLOG_SEEDS);
      // The formula is for reservations that are large enough.
      if (contender === 'spillway') values.push(figures.every(({ overrun }) => overrun === 0) ? percent(mean(figures.map(({ predicted }) => predicted))) : '-');
      values.push(percent(mean(figures.map(({ use }) => use))));
    }
    found.push({ what, values });
  }
  return found;
}

function redis(found: Readonly<Record<string, OnRedis>>): Row[] {
  return rows<OnRedis>(Object.values(found), {
    'commands that a request waits for': ({ before }) => before.toFixed(0),
    'commands of a request in all, with its settlement': ({ all }) => all.toFixed(0),
    'Redis time of a decision': ({ decideUs }) => `${decideUs.toFixed(0)} us`,
    'Redis time of a settlement': ({ settleUs }) => `${settleUs.toFixed(0)} us`,
    'real time, window of 2 s: the fullest 2 s, of the limit': ({ worst }) => percent(worst),
  });
}

function markdown(title: string, columns: readonly string[], body: readonly Row[]): string {
  const lines = body.map(({ what, values }) => `| ${what} | ${values.join(' | ')} |`);
  return [`| ${title} | ${columns.join(' | ')} |`, `|---|${columns.map(() => '---:|').join('')}`, ...lines].join('\n');
}

const began = performance.now();
const names = Object.values(NAMES);
const real = await onRedis();
const tables = [
  markdown(`any load, ${SEEDS} fleets`, names, await loads()),
  markdown('use under backlog, of the limit', ['the formula says', ...names], await backlogs()),
  markdown('a real Redis', Object.keys(real).map((name) => NAMES[name as Contender]!), redis(real)),
];
const seconds = Math.round((performance.now() - began) / 1_000);
const where = `${new Date().toISOString().slice(0, 10)}, \`npm run budgets:table\`, ${seconds} s: ${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}.`;
const text = [where, ...tables].join('\n\n');
process.stdout.write(`${text}\n`);

if (process.argv.includes('--write')) {
  const page = new URL('../docs/budgets.md', import.meta.url);
  const whole = readFileSync(page, 'utf8');
  const [before, rest] = whole.split('<!-- table -->') as [string, string];
  const after = rest.split('<!-- /table -->')[1]!;
  writeFileSync(page, `${before}<!-- table -->\n${text}\n<!-- /table -->${after}`);
}
