/**
 * `npm run bench [-- SECONDS] [--write]`: what Spillway adds, beside its peers, in one run on one light upstream.
 * The measured program has one core, upstream, load and Redis the other. `--write` keeps the table in docs/performance.md.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { contenders, UPSTREAM, type Contender } from './contenders.ts';
import type { Load, LoadResult } from './load.ts';
import { cpuSeconds, Machine, memory } from './processes.ts';
import { report, table, type Row } from './report.ts';

const flags = process.argv.slice(2);
const seconds = Number(flags.find((flag) => /^\d+$/.test(flag)) ?? 5);
const RATE = 500;
/** Time for garbage and buffers to settle before memory is read. */
const SETTLE_MS = 1000;
const later = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

const chat = (extra: object, words: number): string => JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'lorem ipsum '.repeat(words) }], ...extra });
const SMALL = chat({}, 150);
const LARGE = chat({}, 8500);
const STREAM = chat({ stream: true }, 20);
const PACED = chat({ stream: true, user: 'paced' }, 20);

async function measure(machine: Machine, { port, headers }: Contender, load: Pick<Load, 'body' | 'connections' | 'rate'>): Promise<LoadResult> {
  const text = JSON.stringify({ ...load, port, headers, seconds, warmupSeconds: 2 } satisfies Load);
  const result = JSON.parse(await machine.run([process.execPath, new URL('load.ts', import.meta.url).pathname, text])) as LoadResult;
  if (result.errors > 0) throw new Error(`${result.errors} requests failed`);
  return result;
}

async function figures(machine: Machine, contender: Contender): Promise<Row> {
  const program = await contender.start?.();
  await later(SETTLE_MS);
  const pids = program?.pids() ?? [];
  const idle = memory(pids);
  const costly = async (load: Parameters<typeof measure>[2]): Promise<LoadResult & { cpu: number }> => {
    const before = cpuSeconds(pids);
    const result = await measure(machine, contender, load);
    return { ...result, cpu: ((cpuSeconds(pids) - before) * 1e6) / result.total };
  };
  const saturated = await costly({ body: SMALL, connections: 32, rate: 0 });
  const calm = await measure(machine, contender, { body: SMALL, connections: 8, rate: RATE });
  const one = await measure(machine, contender, { body: PACED, connections: 1, rate: 0 });
  const streams = await costly({ body: STREAM, connections: 32, rate: 0 });
  const paced = await costly({ body: PACED, connections: 50, rate: 0 });
  await later(SETTLE_MS);
  const loaded = memory(pids);
  const large = await costly({ body: LARGE, connections: 16, rate: 0 });
  await later(SETTLE_MS);
  const afterLarge = memory(pids);
  await program?.stop();
  const none = program === undefined ? Number.NaN : undefined;
  return {
    name: contender.name,
    perSecond: saturated.perSecond,
    cpu: none ?? saturated.cpu,
    p50: calm.p50,
    p99: calm.p99,
    first: one.firstP50,
    streamsPerSecond: streams.perSecond,
    pacedFirst: paced.firstP50,
    pacedCpu: none ?? paced.cpu,
    largePerSecond: large.perSecond,
    idle: none ?? idle,
    loaded: none ?? loaded,
    afterLarge: none ?? afterLarge,
    ready: none ?? program!.readyMs,
  };
}

const directory = mkdtempSync(join(tmpdir(), 'spillway-bench-'));
const machine = new Machine();
try {
  await machine.start(1, UPSTREAM, process.execPath, [new URL('upstream.ts', import.meta.url).pathname, String(UPSTREAM)]);
  const { list, missing } = await contenders(machine, directory);
  const rows: Row[] = [];
  for (const contender of list) {
    process.stderr.write(`measuring ${contender.name}\n`);
    // The first start fills the compile cache that the image is built with.
    if (contender.name.startsWith('Spillway')) await (await contender.start!()).stop();
    rows.push(await figures(machine, contender));
  }
  const where = `${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}, ${seconds} s a figure, ${RATE} requests/s where a rate is fixed, ${machine.pinned ? 'one core for what is measured' : 'not pinned'}`;
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
