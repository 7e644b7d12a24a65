/**
 * `npm run failures:table [-- --write]`: what happens when Redis, or a pod, fails; the same faults as in
 * test/chaos/redis-failures.test.ts, three times each. `--write` keeps the tables in README.md and docs/budgets.md.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { killAll } from '../test/support/processes.ts';
import { endPod } from '../test/chaos/failures/killed.ts';
import { measure, type Measured } from '../test/chaos/failures/measure.ts';
import { cluster, oneServer, sentinel } from '../test/chaos/failures/scenes.ts';

const ROUNDS = 3;

interface Row {
  readonly fault: string;
  readonly errors: string;
  readonly waits: string;
  readonly fullest: string;
  readonly after: string;
  /** Of the limit, while the fault lasts. */
  readonly use: string;
  readonly recovers: string;
  readonly why: string;
}

const most = (all: readonly Measured[], of: (one: Measured) => number): number => Math.max(...all.map(of));
const sum = (all: readonly Measured[], of: (one: Measured) => number): number => all.reduce((total, one) => total + of(one), 0);
const number = (value: number): string => value.toLocaleString('en-US');
const seconds = (ms: number): string => (ms < 50 ? 'at once' : `${(ms / 1_000).toFixed(1)} s`);
const ratio = (value: number): string => value.toFixed(2);

function rowOf(why: string, rounds: readonly Measured[]): Row {
  const recovered = rounds.flatMap(({ recoveredMs }) => recoveredMs ?? []);
  const held = sum(rounds, (one) => one.held);
  const rates = (pick: (one: Measured) => Measured['fullest']) => most(rounds, (one) => Math.max(pick(one).requests, pick(one).tokens));
  return {
    fault: rounds[0]!.name,
    errors: `${number(sum(rounds, ({ errors }) => errors.length))} of ${number(sum(rounds, ({ requests }) => requests))}`,
    waits: `${held === 0 ? 'none' : number(held)}; ${Math.round(most(rounds, (one) => one.longestHeldMs))} ms`,
    fullest: `${ratio(rates((one) => one.fullest))}; ${ratio(most(rounds, (one) => one.fullest.concurrency))}`,
    after: ratio(rates((one) => one.fullestAfter)),
    use: rounds.every(({ use }) => use !== null) ? ratio(Math.min(...rounds.map(({ use }) => use!))) : '-',
    recovers: recovered.length === 0 ? 'no change' : seconds(Math.max(...recovered)),
    why,
  };
}

async function redisRows(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const make of [oneServer, sentinel, cluster]) {
    const found = new Map<string, { why: string; rounds: Measured[] }>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const scene = make();
      const stage = await scene.open();
      try {
        for (const fault of scene.faults) {
          const measured = await measure(stage, fault);
          process.stderr.write(`${JSON.stringify({ ...measured, round })}\n`);
          const known = found.get(fault.name);
          if (known) known.rounds.push(measured);
          else found.set(fault.name, { why: fault.why, rounds: [measured] });
        }
      } finally {
        await stage.close();
        await scene.close();
      }
    }
    for (const { why, rounds } of found.values()) rows.push(rowOf(why, rounds));
  }
  return rows;
}

async function podRows(): Promise<Row[]> {
  const killed = await endPod('SIGKILL');
  const stopped = await endPod('SIGTERM');
  const own = 'those of its own app';
  const rest = { errors: own, waits: 'none', fullest: '-', after: '-', use: '-' };
  return [
    { ...rest, fault: `a pod is killed, ${killed.places} streams open`, recovers: seconds(killed.freeMs), why: 'its places have a lease of 30 s; requests and tokens leave the window; another pod settles the rest' },
    { ...rest, fault: `a pod is stopped (SIGTERM), ${stopped.places} streams open`, recovers: seconds(stopped.freeMs), why: 'it settles, and leaves' },
  ];
}

function markdown(columns: Readonly<Record<string, (row: Row) => string>>, rows: readonly Row[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const names = Object.keys(columns);
  return [line(names), `|${'---|'.repeat(names.length)}`, ...rows.map((row) => line(Object.values(columns).map((cell) => cell(row))))].join('\n');
}

function write(page: string, text: string): void {
  const url = new URL(`../${page}`, import.meta.url);
  const [before, rest] = readFileSync(url, 'utf8').split('<!-- failures -->') as [string, string];
  const after = rest.split('<!-- /failures -->')[1]!;
  writeFileSync(url, `${before}<!-- failures -->\n${text}\n<!-- /failures -->${after}`);
}

const began = performance.now();
let rows: Row[];
try {
  rows = [...(await redisRows()), ...(await podRows())];
} finally {
  await killAll();
}
const redis = /v=(\S+)/.exec(spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout)?.[1] ?? 'unknown';
const where = `${new Date().toISOString().slice(0, 10)}, \`npm run failures:table\`, ${Math.round((performance.now() - began) / 1_000)} s: ${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}, Redis ${redis}.`;
const long = markdown(
  {
    fault: ({ fault }) => fault,
    'requests that failed': ({ errors }) => errors,
    'held by the sidecar 50 ms or more; longest': ({ waits }) => waits,
    'fullest minute, of the limit; most at once': ({ fullest }) => fullest,
    'from one beat after': ({ after }) => after,
    'used meanwhile, of the limit': ({ use }) => use,
    'decided by Redis again after': ({ recovers }) => recovers,
    why: ({ why }) => why,
  },
  rows,
);
const short = markdown(
  {
    fault: ({ fault }) => fault,
    'requests that failed': ({ errors }) => errors,
    'longest in the sidecar': ({ waits }) => waits.split('; ').at(-1)!,
    'fullest minute, of the limit': ({ fullest }) => fullest.split('; ')[0]!,
    'decided by Redis again after': ({ recovers }) => recovers,
  },
  rows,
);
process.stdout.write(`${where}\n\n${long}\n\n${short}\n`);
if (process.argv.includes('--write')) {
  write('docs/budgets.md', `${where}\n\n${long}`);
  write('README.md', short);
}
