/** `spillway demo` as a stranger runs it: a process of its own, told by what it prints. */
import { afterEach, beforeAll, afterAll, describe, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describeWithRedis, freePort, startRedis, type RedisServer } from '../support/redis.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const FREE = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly errors: () => string;
  readonly code: Promise<number | null>;
  printed(pattern: RegExp): Promise<RegExpExecArray>;
}

const running: ChildProcess[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

function demo(args: string[], extra: Record<string, string> = {}): Run {
  const { REDIS_URL: _none, npm_lifecycle_event: _npm, ...env } = process.env;
  const child = spawn(process.execPath, [MAIN, 'demo', ...args], { env: { ...env, ...extra }, stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  let output = '';
  let errors = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const code = once(child, 'close').then(([exit]) => exit as number | null);
  const printed = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(output);
      if (match !== null) return match;
      if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode} before ${pattern}: ${output}${errors}`);
      await Promise.race([once(child.stdout!, 'data'), code]);
    }
  };
  return { child, output: () => output, errors: () => errors, code, printed };
}

/** A figure of the summary, by its label. */
function figure(output: string, label: string): string {
  const line = output.split('\n').find((each) => each.trimStart().startsWith(`${label}  `));
  return line?.trimStart().slice(label.length).trim() ?? `no ${label} in: ${output}`;
}

function expectKeptPromises(output: string): void {
  expect(figure(output, 'errors the app saw')).toBe('0');
  expect(figure(output, '429 from the primaries')).toBe('0');
  expect(figure(output, 'answered')).toBe(figure(output, 'requests sent'));
  for (const primary of ['dev-claude', 'prod-claude']) {
    const worst = figure(output, `worst 60 s at ${primary}`);
    expect(Number(/^(\d+) of 10 requests/.exec(worst)?.[1])).toBeLessThanOrEqual(10);
    expect(Number(/([\d,]+) of 10,000 tokens/.exec(worst)?.[1]?.replace(',', ''))).toBeLessThanOrEqual(10_000);
  }
}

test('a short run without a terminal: diversions with their reasons, and the summary', async () => {
  const run = demo(['--duration', '3s', ...FREE]);
  expect(await run.code).toBe(0);
  const output = run.output();
  expect(run.errors()).toBe('');
  expect(output).not.toContain('\x1b');
  expect(output).not.toContain(process.cwd());
  expect(output).toContain('budgets: in this process');
  expect(output).toMatch(/curl -i http:\/\/127\.0\.0\.1:\d+\/v1\/chat\/completions -H/);
  expect(output).toContain('now the provider of prod-claude is made to fail');
  expect(output).toContain('prod-claude-with-fallback -> bed-claude-4.5-haiku  circuit_open');
  expect(output).toContain('dev-claude-with-fallback -> bed-claude-4.5-haiku  budget_tokens');
  expect(output).toMatch(/^ +.*circuit_open \d+/m);
  expectKeptPromises(output);
});

test('SIGINT ends it early, with the summary and exit code 0', async () => {
  const run = demo(['--duration', '60s', ...FREE]);
  await run.printed(/-> prod-claude\n/);
  run.child.kill('SIGINT');
  expect(await run.code).toBe(0);
  expect(run.output()).toMatch(/Summary after 0:0\d, stopped early/);
  expect(figure(run.output(), 'errors the app saw')).toBe('0');
});

describe('--serve-only', () => {
  test('answers a request and stops on SIGTERM', async () => {
    const run = demo(['--serve-only', ...FREE]);
    const [, url, body] = await run.printed(/curl -i (\S+) -H 'content-type: application\/json' -d '(.+)'\n/);
    const answer = await fetch(url!, { method: 'POST', headers: { 'content-type': 'application/json' }, body: body! });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-spillway-model')).toBe('prod-claude');
    expect(await answer.json()).toMatchObject({ object: 'chat.completion' });
    await run.printed(/prod-claude-with-fallback -> prod-claude\n/);
    run.child.kill('SIGTERM');
    expect(await run.code).toBe(0);
    expect(figure(run.output(), 'requests answered')).toBe('1');
  });
});

test.each(['--listen', '--admin'])('a port in use (%s): which, and what to do', async (flag) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const run = demo([...FREE, flag, `127.0.0.1:${port}`]);
  expect(await run.code).toBe(1);
  taken.close();
  expect(run.output()).toBe('');
  expect(run.errors()).toContain(`cannot listen on 127.0.0.1:${port}: another process listens there already`);
  expect(run.errors()).toContain('demo --listen 127.0.0.1:4100 --admin 127.0.0.1:4101');
});

test('a Redis that does not answer: says so without its password, and goes on', async () => {
  const run = demo(['--duration', '1s', ...FREE], { REDIS_URL: `redis://:geheim@127.0.0.1:${await freePort()}` });
  expect(await run.code).toBe(0);
  expect(run.output()).toContain('budgets: in this process, because the Redis of REDIS_URL does not answer (connect ECONNREFUSED');
  expect(run.output()).not.toContain('geheim');
  expectKeptPromises(run.output());
});

test('wrong usage is exit code 2, --help is 0', async () => {
  const wrong = demo(['--duration', 'soon']);
  expect(await wrong.code).toBe(2);
  expect(wrong.errors()).toContain('--duration soon: expected a duration like 75s');
  const help = demo(['--help']);
  expect(await help.code).toBe(0);
  expect(help.output()).toContain('usage: spillway demo');
});

describeWithRedis('with REDIS_URL', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  test('two sidecars share one budget, and a second run begins fresh', async () => {
    for (let nth = 0; nth < 2; nth++) {
      const run = demo(['--duration', '2s', ...FREE], { REDIS_URL: redis.url });
      expect(await run.code).toBe(0);
      const output = run.output();
      expect(output).toMatch(/^sidecar 1: .*\nsidecar 2: .*\nbudgets: in the Redis of REDIS_URL, shared by both sidecars$/m);
      expectKeptPromises(output);
      const shares = /prod-claude (\d+) \+ (\d+)/.exec(figure(output, 'calls by sidecar'))!.slice(1).map(Number);
      expect(shares[0]).toBeGreaterThan(0);
      expect(shares[1]).toBeGreaterThan(0);
      expect(shares[0]! + shares[1]!).toBeLessThanOrEqual(10);
    }
  });
});
