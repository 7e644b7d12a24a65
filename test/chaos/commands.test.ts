/** The commands as a user meets them: exit codes, and words instead of stack traces. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { finished, killAll, type RunOptions } from '../support/processes.ts';
import { freePort } from '../support/redis.ts';
import { directory, type Directory } from './setup.ts';

const GOOD = `models:
  a: { provider: openai, model: a, limits: { requestsPerMinute: 5 } }
groups:
  app: { models: [a] }
`;
const BAD = GOOD.replace('5', '-5').replace('[a]', '[b]');
const MISTAKES = [/^(.*):2:65: /, /^(.*):4:19: /];
const TRACE = /^\s+at .*:\d+:\d+\)?$|node:internal|Error: /m;

let files: Directory;
let good: string;
let bad: string;

beforeAll(async () => {
  files = await directory();
  good = await files.write('good.yaml', GOOD);
  bad = await files.write('bad.yaml', BAD);
});

afterAll(() => files.remove());
// Not after each: some of them run at the same time.
afterAll(killAll);

const PORTS = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];

/** Runs it; no stack trace may be seen. */
async function run(args: readonly string[], options?: RunOptions) {
  const result = await finished(args, options);
  expect(result.stdout + result.stderr).not.toMatch(TRACE);
  return result;
}

describe('called wrongly: exit 2, and where help is', () => {
  test.concurrent.each([
    [[], /usage: spillway COMMAND/],
    [['sevre'], /no command "sevre"/],
    [['toString'], /no command "toString"/],
    [['serve'], /--config FILE/],
    [['serve', '--config'], /--config/],
    [['serve', '--config', 'x.yaml', '--prot', '4'], /--prot/],
    [['serve', '--config', 'x.yaml', '--listen', 'nowhere'], /--listen nowhere: expected HOST:PORT/],
    [['serve', '--config', 'x.yaml', '--admin', '127.0.0.1:99999'], /--admin 127.0.0.1:99999: expected HOST:PORT/],
    [['serve', '--config', 'x.yaml', '--grace', 'soon'], /--grace soon: expected a duration/],
    [['serve', '--config', 'x.yaml', '--buffer', 'lots'], /--buffer lots: expected a size/],
    [['serve', '--config', 'x.yaml', '--log-level', 'loud'], /--log-level loud: expected one of/],
    [['serve', 'x.yaml'], /x\.yaml/],
    [['validate'], /which file/],
    [['validate', 'a', 'b'], /one file at a time/],
    [['validate', '--strict', 'a'], /--strict/],
    [['simulate'], /--port is missing/],
    [['simulate', '--port', 'http'], /--port must be a number/],
  ])('%j', async (args, says) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(says);
    expect(stderr).toMatch(/--help|Usage:/);
  });
});

describe('--help: exit 0, on standard output', () => {
  test.concurrent.each(['serve', 'validate', 'simulate', 'demo'])('%s', async (command) => {
    const { code, stdout, stderr } = await run([command, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`spillway ${command}`);
  });

  test('of all', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    for (const command of ['serve', 'demo', 'simulate', 'validate']) expect(stdout).toContain(command);
  });

  test('--version', async () => {
    const { code, stdout } = await run(['--version']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

/** Each mistake on its line, with its place. */
function expectMistakes(stderr: string, file: string): void {
  const lines = stderr.trimEnd().split('\n');
  expect(lines).toHaveLength(MISTAKES.length);
  for (const [i, mistake] of MISTAKES.entries()) expect(mistake.exec(lines[i]!)?.[1]).toBe(file);
}

describe('validate', () => {
  test('a good file', async () => {
    expect(await run(['validate', good])).toEqual({ code: 0, stdout: `${good}: valid: 1 model, 1 group\n`, stderr: '' });
  });

  test('a file with mistakes', async () => {
    const { code, stdout, stderr } = await run(['validate', bad]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expectMistakes(stderr, bad);
  });

  test('standard input', async () => {
    expect(await run(['validate', '-'], { stdin: GOOD })).toMatchObject({ code: 0, stdout: '-: valid: 1 model, 1 group\n' });
    const { code, stderr } = await run(['validate', '-'], { stdin: BAD });
    expect(code).toBe(1);
    expectMistakes(stderr, '-');
    expect(await run(['validate', '-'], { stdin: '' })).toMatchObject({ code: 1, stderr: expect.stringMatching(/^-:1:1: /) });
  });

  test('a ConfigMap', async () => {
    const manifest = `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: x }\ndata:\n  spillway.yaml: |\n${BAD.replace(/^/gm, '    ')}`;
    const { code, stderr } = await run(['validate', '-'], { stdin: manifest });
    expect(code).toBe(1);
    // The user's own lines and columns, not those of the text inside.
    expect(stderr).toMatch(/^-:7:69: .*\n-:9:23: /);
  });

  test('no such file, and a directory', async () => {
    expect(await run(['validate', `${files.path}/none.yaml`])).toMatchObject({ code: 1, stderr: expect.stringContaining('there is no such file') });
    expect(await run(['validate', files.path])).toMatchObject({ code: 1, stderr: expect.stringContaining('directory') });
  });
});

describe('serve that cannot start: exit 1, and why', () => {
  const serve = (config: string, options?: RunOptions, ports = PORTS) => run(['serve', '--config', config, ...ports], options);

  test('a configuration with mistakes', async () => {
    const { code, stdout, stderr } = await serve(bad);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expectMistakes(stderr, bad);
  });

  test('the same by SPILLWAY_CONFIG', async () => {
    const { code, stderr } = await run(['serve', ...PORTS], { env: { SPILLWAY_CONFIG: bad } });
    expect(code).toBe(1);
    expectMistakes(stderr, bad);
  });

  test('no such file', async () => {
    const path = `${files.path}/none.yaml`;
    const { code, stdout, stderr } = await serve(path);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`${path} cannot be read`);
  });

  test.each(['--listen', '--admin'])('the port of %s is in use', async (flag) => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const taken = `127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`;
    const { code, stderr } = await serve(good, {}, [...PORTS, flag, taken]);
    other.close();
    expect(code).toBe(1);
    expect(stderr).toBe(`spillway serve: cannot listen on ${taken}: another process listens there already\n`);
  });

  test('REDIS_URL is named, and not set', async () => {
    const config = await files.write('redis.yaml', `${GOOD}redis:\n  url: { env: REDIS_URL }\n`);
    const { code, stderr } = await serve(config);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^spillway serve: the environment variable REDIS_URL is not set\n$/);
  });

  test('REDIS_URL is no address, and its password is not shown', async () => {
    const config = await files.write('redis.yaml', `${GOOD}redis:\n  url: { env: REDIS_URL }\n`);
    const { code, stdout, stderr } = await serve(config, { env: { REDIS_URL: 'redis://user:hunter2@[not an address' } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^spillway serve: .*[Rr]edis.*url/);
    expect(stdout + stderr).not.toContain('hunter2');
  });

  test('the authority of Redis’ certificate is not there: the message names that file', async () => {
    const config = await files.write('tls.yaml', `${GOOD}redis:\n  url: rediss://127.0.0.1:1\n  tls: { ca: ${files.path}/no-ca.pem }\n`);
    const { code, stderr } = await serve(config);
    expect(code).toBe(1);
    expect(stderr).toContain('no-ca.pem');
    expect(stderr).not.toContain('tls.yaml cannot be read');
  });

  test('simulate on a port in use', async () => {
    const other = createServer().listen(await freePort(), '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    expect(await run(['simulate', '--port', String(port)])).toMatchObject({ code: 1, stderr: expect.stringContaining('is in use') });
    other.close();
  });
});

test('only SPILLWAY_DEBUG=1 shows where an unforeseen error was', async () => {
  const config = await files.write('redis.yaml', `${GOOD}redis:\n  url: { env: REDIS_URL }\n`);
  const env = { REDIS_URL: 'redis://[', SPILLWAY_DEBUG: '1' };
  const { code, stderr } = await finished(['serve', '--config', config, ...PORTS], { env });
  expect(code).toBe(1);
  expect(stderr).toMatch(TRACE);
});
