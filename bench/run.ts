/**
 * `npm run bench`: what Spillway adds, in one run on one machine: direct, budgets in the process, budgets in Redis.
 * The sidecar has one core, upstream, load and Redis the other (taskset, where there is one).
 */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Load, LoadResult } from './load.ts';

const UPSTREAM = 9180;
const SIDECAR = 9140;
const ADMIN = 9141;
const REDIS = 9179;
const seconds = Number(process.argv[2] ?? 5);
const dir = mkdtempSync(join(tmpdir(), 'spillway-bench-'));
const has = (command: string): boolean => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
const pinned = has('taskset') && cpus().length > 1;
/** As the image starts it (docs/decisions/0005-image.md). */
const NODE_ARGS = ['--max-semi-space-size=4'];
const NODE_ENV = { MALLOC_ARENA_MAX: '1' };
const children: ChildProcess[] = [];

function start(core: number, command: string, args: string[], ready: string): Promise<{ child: ChildProcess; readyMs: number }> {
  const began = performance.now();
  const env = { ...process.env, ...NODE_ENV };
  const child = pinned ? spawn('taskset', ['-c', String(core), command, ...args], { env }) : spawn(command, args, { env });
  children.push(child);
  return new Promise((resolve, reject) => {
    let seen = '';
    child.stdout?.on('data', (data: Buffer) => {
      if (seen.includes(ready)) return;
      seen += data.toString();
      if (seen.includes(ready)) resolve({ child, readyMs: performance.now() - began });
    });
    child.on('exit', (code) => reject(new Error(`${command} ${args.join(' ')} ended with ${code}: ${seen}`)));
  });
}

const script = (name: string): string => new URL(`./${name}`, import.meta.url).pathname;
const program = new URL('../dist/main.js', import.meta.url).pathname;

async function measure(load: Omit<Load, 'seconds' | 'warmupSeconds'>): Promise<LoadResult> {
  const text = JSON.stringify({ ...load, seconds, warmupSeconds: 1 });
  const args = [process.execPath, script('load.ts'), text];
  const { stdout } = await promisify(execFile)(pinned ? 'taskset' : args.shift()!, pinned ? ['-c', '1', ...args] : args);
  return JSON.parse(stdout) as LoadResult;
}

const chat = (extra: object, words: number): string => JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'lorem ipsum '.repeat(words) }], ...extra });
const small = chat({}, 150);
const large = chat({}, 8500);
const stream = chat({ stream: true }, 20);
const paced = chat({ stream: true, user: 'paced' }, 20);

interface Row {
  readonly name: string;
  readonly figures: Record<string, number>;
}

async function figures(port: number, child?: ChildProcess): Promise<Record<string, number>> {
  const idle = child ? rss(child) : Number.NaN;
  const before = child ? cpuSeconds(child) : 0;
  const saturated = await measure({ port, body: small, connections: 32, rate: 0 });
  const cpu = child ? ((cpuSeconds(child) - before) * 1e6) / (saturated.perSecond * (seconds + 1)) : Number.NaN;
  const calm = await measure({ port, body: small, connections: 8, rate: 500 });
  const big = await measure({ port, body: large, connections: 16, rate: 0 });
  const streams = await measure({ port, body: stream, connections: 32, rate: 0 });
  const token = await measure({ port, body: paced, connections: 50, rate: 0 });
  for (const { errors } of [saturated, calm, big, streams, token]) if (errors > 0) throw new Error(`${errors} requests failed`);
  return {
    'JSON 2 KB, requests/s': saturated.perSecond,
    'CPU a request, us': cpu,
    'p50 at 500/s, ms': calm.p50,
    'p99 at 500/s, ms': calm.p99,
    'JSON 100 KB, requests/s': big.perSecond,
    'streams of 50 events, streams/s': streams.perSecond,
    'first token of 50 paced streams, p50 ms': token.firstP50,
    'the same, p99 ms': token.firstP99,
    'memory idle, MB': idle,
    'memory loaded, MB': child ? rss(child) : Number.NaN,
  };
}

function rss(child: ChildProcess): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024;
}

function cpuSeconds(child: ChildProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function spillway(name: string, redis: boolean): Promise<Row> {
  const config = join(dir, `${name}.yaml`);
  const limits = '{ requestsPerMinute: 100000000, tokensPerMinute: 100000000000 }';
  const model = `{ provider: openai, model: m, baseUrl: "http://127.0.0.1:${UPSTREAM}/v1", limits: ${limits} }`;
  const lines = ['version: 1', 'models:', `  a: ${model}`, `  b: ${model}`, 'groups:', '  chat: { models: [a], fallback: [b] }'];
  if (redis) lines.push(`redis: { url: "redis://127.0.0.1:${REDIS}" }`);
  writeFileSync(config, `${lines.join('\n')}\n`);
  const args = [...NODE_ARGS, program, 'serve', '--config', config, '--listen', `127.0.0.1:${SIDECAR}`, '--admin', `127.0.0.1:${ADMIN}`];
  const { child, readyMs } = await start(0, process.execPath, args, '"ready"');
  const row = { name, figures: { ...(await figures(SIDECAR, child)), 'ready, ms': readyMs } };
  child.removeAllListeners('exit');
  child.kill();
  await once(child, 'exit');
  return row;
}

function print(rows: readonly Row[]): void {
  const names = Object.keys(rows.at(-1)!.figures);
  const width = Math.max(...names.map((name) => name.length));
  const cell = (value: number | undefined): string => (value === undefined || Number.isNaN(value) ? '-' : value >= 100 ? value.toFixed(0) : value.toFixed(2)).padStart(14);
  const lines = [`${''.padEnd(width)}${rows.map(({ name }) => name.padStart(14)).join('')}`];
  for (const name of names) lines.push(`${name.padEnd(width)}${rows.map((row) => cell(row.figures[name])).join('')}`);
  process.stdout.write(`${lines.join('\n')}\n\n${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}, ${seconds} s a figure, ${pinned ? 'one core for the sidecar' : 'not pinned'}\n`);
}

try {
  await start(1, process.execPath, [script('upstream.ts'), String(UPSTREAM)], 'ready');
  const rows: Row[] = [{ name: 'direct', figures: await figures(UPSTREAM) }];
  rows.push(await spillway('in process', false));
  if (has('redis-server')) {
    await start(1, 'redis-server', ['--port', String(REDIS), '--save', '', '--appendonly', 'no', '--dir', dir], 'Ready to accept');
    rows.push(await spillway('in Redis', true));
  }
  print(rows);
} finally {
  for (const child of children) child.removeAllListeners('exit').kill('SIGKILL');
}
