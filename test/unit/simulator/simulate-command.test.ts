import { afterEach, describe, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { simulate } from '../../../src/commands/simulate.ts';
import { ask, hello } from './client.ts';

let stop = new AbortController();
afterEach(() => stop.abort());

function run(...args: string[]) {
  stop = new AbortController();
  const out = { stdout: '', stderr: '' };
  const done = simulate(args, { stdout: (s) => void (out.stdout += s), stderr: (s) => void (out.stderr += s), signal: stop.signal });
  const ready = async (): Promise<{ msg: string; port: number; url: string }> => {
    while (!out.stdout.endsWith('\n')) await sleep(2);
    return JSON.parse(out.stdout) as { msg: string; port: number; url: string };
  };
  return { out, done, ready, stop };
}

describe('spillway simulate', () => {
  test('serves the models and faults of its command line until it is told to stop', async () => {
    const running = run('--port', '0', '--model', 'a:rpm=1,tokens=2', '--model', 'ft:b:org', '--fault', 'status=503,model=ft:b:org', '--lenient');
    const ready = await running.ready();
    expect(ready).toEqual({ msg: 'ready', port: expect.any(Number), url: `http://127.0.0.1:${ready.port}` });
    expect(JSON.parse((await ask(ready.url, hello({ model: 'a', foo: 1 }))).text)).toMatchObject({ usage: { completion_tokens: 2 } });
    expect((await ask(ready.url, hello({ model: 'a' }))).status).toBe(429);
    expect((await ask(ready.url, hello({ model: 'ft:b:org' }))).status).toBe(503);
    expect((await ask(ready.url, hello({ model: 'c' }))).status).toBe(404);
    running.stop.abort();
    expect(await running.done).toBe(0);
  });

  test('without --model every name is known', async () => {
    const running = run('--port', '0');
    const { url } = await running.ready();
    expect((await ask(url, hello({ model: 'whatever' }))).status).toBe(200);
  });

  test('a port in use is exit 1, and says so', async () => {
    const { port } = await run('--port', '0').ready();
    const first = stop;
    const second = run('--port', String(port));
    expect(await second.done).toBe(1);
    expect(second.out.stderr).toBe(`spillway simulate: port ${port} of 127.0.0.1 is in use\n`);
    first.abort();
  });

  test('--help', async () => {
    const { done, out } = run('--help');
    expect(await done).toBe(0);
    expect(out.stdout).toContain('--fault');
  });

  test.each([
    [[], '--port is missing'],
    [['--port', 'x'], "--port must be a number from 0 to 65535, not 'x'"],
    [['--port', '70000'], '--port must be a number'],
    [['--wat'], "Unknown option '--wat'"],
    [['--port', '0', '--model', 'a:b=1'], "--model a: unknown 'b'"],
    [['--port', '0', '--model', 'a:rpm=0'], "--model a: rpm must be a whole number from 1, not '0'"],
    [['--port', '0', '--model', 'a:first=1h'], '--model a: first must be a time'],
    [['--port', '0', '--model', 'a:limiter=x'], '--model a: limiter must be'],
    [['--port', '0', '--model', ':rpm=1'], 'has no name'],
    [['--port', '0', '--fault', 'sttus=1'], "--fault 'sttus=1': unknown fault 'sttus'"],
    [['--port', '0', '--model', 'a', '--fault', 'hang,model=b'], 'there is no --model b'],
  ])('%j is wrong usage', async (args, message) => {
    const { done, out } = run(...args);
    expect(await done).toBe(2);
    expect(out.stderr).toContain(message);
    expect(out.stderr).not.toContain('    at ');
  });
});
