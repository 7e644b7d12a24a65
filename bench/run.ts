/**
 * `npm run bench [-- SECONDS] [--write]`: what Spillway adds, beside its peers, in one run on one light upstream.
 * All are up at once, warmed up, and measured in turns: the measured one has one core, upstream, load and Redis the other.
 * `--write` keeps the table in docs/performance.md.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { contenders, UPSTREAM, type Contender } from './contenders.ts';
import type { Load, LoadResult } from './load.ts';
import { cpuSeconds, Machine, memory, type Program } from './processes.ts';
import { report, table, type Row } from './report.ts';

const flags = process.argv.slice(2);
const seconds = Number(flags.find((flag) => /^\d+$/.test(flag)) ?? 2);
const RATE = 500;
/** How often each figure is measured. */
const ROUNDS = 3;
/** V8 has compiled what is hot after some 30,000 requests; a sidecar lives for days. */
const WARM_UP_SECONDS = 8;
/** Time for garbage and buffers to settle before memory is read. */
const SETTLE_MS = 1000;
const later = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

const chat = (extra: object, words: number): string => JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'lorem ipsum '.repeat(words) }], ...extra });
const SMALL = chat({}, 150);
const LARGE = chat({}, 8500);
const STREAM = chat({ stream: true }, 20);
const PACED = chat({ stream: true, user: 'paced' }, 20);

type Shape = Pick<Load, 'body' | 'connections' | 'rate'>;

const STAGES = {
  saturated: { body: SMALL, connections: 32, rate: 0 },
  calm: { body: SMALL, connections: 8, rate: RATE },
  one: { body: PACED, connections: 1, rate: 0 },
  streams: { body: STREAM, connections: 32, rate: 0 },
  paced: { body: PACED, connections: 50, rate: 0 },
  large: { body: LARGE, connections: 16, rate: 0 },
} satisfies Record<string, Shape>;

type Figures = LoadResult & { readonly cpu: number };

/** One that is up, and what was measured of it. */
interface Runner {
  readonly contender: Contender;
  readonly program: Program | undefined;
  readonly ready: number;
  readonly idle: number;
  loaded: number;
  afterLarge: number;
  readonly found: Record<keyof typeof STAGES, Figures[]>;
}

async function measure(machine: Machine, { contender, program }: Runner, shape: Shape, forSeconds = seconds): Promise<Figures> {
  const { port, headers, name } = contender;
  const text = JSON.stringify({ ...shape, port, headers, seconds: forSeconds, warmupSeconds: 0.2 } satisfies Load);
  const pids = program?.pids() ?? [];
  const before = cpuSeconds(pids);
  const result = JSON.parse(await machine.run([process.execPath, new URL('load.ts', import.meta.url).pathname, text])) as LoadResult;
  if (result.errors > 0) throw new Error(`${name}: ${result.errors} requests failed`);
  return { ...result, cpu: program ? ((cpuSeconds(pids) - before) * 1e6) / result.total : Number.NaN };
}

/** Not a number where nothing stands between. */
function memoryOf(program: Program | undefined): number {
  return program ? memory(program.pids()) : Number.NaN;
}

async function started(contender: Contender): Promise<Runner> {
  const { start } = contender;
  const times: number[] = [];
  // The first start fills the compile cache that the image is built with.
  let program = await start?.();
  for (let i = 0; program !== undefined && i < ROUNDS; i++) {
    await program.stop();
    program = await start!();
    times.push(program.readyMs);
  }
  await later(SETTLE_MS);
  const idle = memoryOf(program);
  const found = { saturated: [], calm: [], one: [], streams: [], paced: [], large: [] };
  return { contender, program, ready: median(times), idle, loaded: Number.NaN, afterLarge: Number.NaN, found };
}

/** In turns: what slows the machine down for a while slows all of them. The first round does not count. */
async function stage(machine: Machine, runners: readonly Runner[], name: keyof typeof STAGES): Promise<void> {
  process.stderr.write(`${name} `);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const runner of runners) {
      const figures = await measure(machine, runner, STAGES[name]);
      if (round > 0) runner.found[name].push(figures);
    }
  }
}

function row({ contender, ready, idle, loaded, afterLarge, found }: Runner): Row {
  const of = (name: keyof typeof STAGES, key: keyof Figures): number => median(found[name].map((figures) => figures[key]));
  return {
    name: contender.name,
    perSecond: of('saturated', 'perSecond'),
    cpu: of('saturated', 'cpu'),
    p50: of('calm', 'p50'),
    p99: of('calm', 'p99'),
    first: of('one', 'firstP50'),
    streamsPerSecond: of('streams', 'perSecond'),
    pacedFirst: of('paced', 'firstP50'),
    pacedCpu: of('paced', 'cpu'),
    largePerSecond: of('large', 'perSecond'),
    idle,
    loaded,
    afterLarge,
    ready,
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

const directory = mkdtempSync(join(tmpdir(), 'spillway-bench-'));
const machine = new Machine();
try {
  await machine.start(1, UPSTREAM, process.execPath, [new URL('upstream.ts', import.meta.url).pathname, String(UPSTREAM)]);
  const { list, missing } = await contenders(machine, directory);
  const runners: Runner[] = [];
  for (const contender of list) runners.push(await started(contender));
  for (const runner of runners) await measure(machine, runner, STAGES.saturated, WARM_UP_SECONDS);
  for (const name of ['saturated', 'calm', 'one', 'streams', 'paced'] as const) await stage(machine, runners, name);
  await later(SETTLE_MS);
  for (const runner of runners) runner.loaded = memoryOf(runner.program);
  await stage(machine, runners, 'large');
  await later(SETTLE_MS);
  for (const runner of runners) runner.afterLarge = memoryOf(runner.program);
  process.stderr.write('\n');
  const rows = runners.map(row);
  const where = `${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}, the median of ${ROUNDS} times ${seconds} s in turns, ${RATE} requests/s where a rate is fixed, ${machine.pinned ? 'one core for what is measured' : 'not pinned'}`;
  process.stdout.write(`${table(rows)}\n${where}\n${missing.length > 0 ? `left out, not found: ${missing.join(', ')}\n` : ''}`);
  if (flags.includes('--write')) {
    const page = new URL('../docs/performance.md', import.meta.url);
    const text = readFileSync(page, 'utf8');
    const begin = text.indexOf('<!-- bench -->');
    const end = text.indexOf('<!-- /bench -->');
    writeFileSync(page, `${text.slice(0, begin)}<!-- bench -->\n${report(rows, where)}\n${text.slice(end)}`);
  }
} finally {
  machine.close();
  rmSync(directory, { recursive: true, force: true });
}
