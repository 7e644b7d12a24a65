/**
 * The image without a Docker engine: the steps of the Dockerfile as commands, in a folder that holds its context and nothing
 * else; then what the final stage has, read-only, in an empty folder, as the user and with the command line of the image.
 */
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeWithRedis, startRedis, type RedisServer } from '../support/redis.ts';
import { AUTHORITY, startProxy, startSecureUpstream } from '../support/tunnel.ts';

jest.setTimeout(40_000);

const REPO = fileURLToPath(new URL('../..', import.meta.url));
const stages = readDockerfile(readFileSync(join(REPO, 'Dockerfile'), 'utf8'));
const [build, final] = stages as [Stage, Stage];
const sandbox = mkdtempSync(join(tmpdir(), 'spillway-image-'));
/** What the image has at /. */
const root = join(sandbox, 'root');
const configs = join(sandbox, 'configs');
const [uid, gid] = one(final, 'USER').split(':').map(Number) as [number, number];
const isRoot = process.getuid?.() === 0;
let node = process.execPath;

interface Step {
  readonly word: string;
  readonly rest: string;
}
interface Stage {
  readonly from: string;
  readonly steps: readonly Step[];
}

function readDockerfile(text: string): Stage[] {
  const lines = text.replaceAll(/^\s*#.*\n/gm, '').replaceAll(/\\\n\s*/g, ' ').split('\n');
  const steps = lines.filter((line) => line.trim() !== '').map((line) => ({ word: /^\S+/.exec(line)![0], rest: line.replace(/^\S+\s+/, '') }));
  const result: { from: string; steps: Step[] }[] = [];
  for (const step of steps) {
    if (step.word === 'FROM') result.push({ from: step.rest, steps: [] });
    else result.at(-1)?.steps.push(step);
  }
  return result;
}

function all(stage: Stage, word: string): string[] {
  return stage.steps.filter((step) => step.word === word).map(({ rest }) => rest);
}

function one(stage: Stage, word: string): string {
  const [first, ...more] = all(stage, word);
  if (first === undefined || more.length > 0) throw new Error(`one ${word} was expected`);
  return first;
}

/** KEY=value KEY="a value" */
function pairs(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S*))/g)].map(([, key, quoted, plain]) => [key, quoted ?? plain]));
}

/** Only what .dockerignore lets through, as `docker build .` would send it. */
function copyContext(to: string): void {
  const lines = readFileSync(join(REPO, '.dockerignore'), 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(lines[0]).toBe('*');
  for (const line of lines.slice(1)) {
    expect(line).toMatch(/^!/);
    cpSync(join(REPO, line.slice(1)), join(to, line.slice(1)), { recursive: true });
  }
}

function buildStage(context: string, app: string): void {
  mkdirSync(app);
  const PATH = `${dirname(process.execPath)}:${process.env['PATH']}`;
  for (const { word, rest } of build.steps) {
    if (word === 'WORKDIR') expect(rest).toBe('/app');
    else if (word === 'COPY') {
      const [to, ...from] = rest.split(' ').toReversed() as [string, ...string[]];
      for (const path of from) cpSync(join(context, path), to === './' ? join(app, basename(path)) : join(app, to), { recursive: true });
    } else if (rest === 'npm ci') symlinkSync(join(REPO, 'node_modules'), join(app, 'node_modules'));
    else {
      expect(word).toBe('RUN');
      const { status, stdout, stderr } = spawnSync('sh', ['-c', rest], { cwd: app, env: { PATH, HOME: app }, encoding: 'utf8', timeout: 30_000 });
      if (status !== 0) throw new Error(`${rest}\nended with ${status}\n${stdout}${stderr}`);
    }
  }
}

/** The image's user must be able to run Node; a home directory of root's it could not enter. */
function reachableNode(): string {
  if (!isRoot || spawnSync(process.execPath, ['--version'], { uid, gid, cwd: '/' }).status === 0) return process.execPath;
  const copy = join(sandbox, 'node');
  copyFileSync(process.execPath, copy);
  chmodSync(copy, 0o755);
  return copy;
}

beforeAll(() => {
  chmodSync(sandbox, 0o755);
  const context = join(sandbox, 'context');
  copyContext(context);
  buildStage(context, join(sandbox, 'build'));
  mkdirSync(join(root, 'app'), { recursive: true });
  mkdirSync(configs);
  expect(all(final, 'COPY')).toEqual(['--from=build /app/dist ./dist']);
  cpSync(join(sandbox, 'build/dist'), join(root, 'app/dist'), { recursive: true });
  // Nothing is left that an import could find by chance.
  rmSync(join(sandbox, 'build'), { recursive: true });
  rmSync(context, { recursive: true });
  spawnSync('chmod', ['-R', 'a-w', root]);
  node = reachableNode();
});

const running: ChildProcess[] = [];
afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'close');
  }
});
afterAll(() => {
  spawnSync('chmod', ['-R', 'u+w', root]);
  rmSync(sandbox, { recursive: true, force: true });
});

interface Container {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly errors: () => string;
  readonly code: Promise<number | null>;
  /** Its first JSON line with this `msg`. */
  logged(msg: string): Promise<Record<string, unknown>>;
}

/** As `docker run IMAGE ARGS`; without args, the image's own CMD. `flags` come before the script. */
function start(args = JSON.parse(one(final, 'CMD')) as string[], env: Record<string, string> = {}, flags: string[] = [], user = { uid, gid }): Container {
  const inside = (text: string): string => (text.startsWith('/app/') ? join(root, text) : text);
  const [program, ...entry] = JSON.parse(one(final, 'ENTRYPOINT')) as string[];
  expect(program).toBe('node');
  const ofImage = Object.fromEntries(Object.entries(pairs(one(final, 'ENV'))).map(([key, value]) => [key, inside(value)]));
  const child = spawn(node, [...flags, ...entry.map(inside), ...args], {
    cwd: join(root, one(final, 'WORKDIR')),
    env: { PATH: '/usr/bin:/bin', ...ofImage, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(isRoot && user),
  });
  running.push(child);
  let output = '';
  let errors = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const code = once(child, 'close').then(([exit]) => exit as number | null);
  const logged = async (msg: string): Promise<Record<string, unknown>> => {
    for (;;) {
      const line = output.split('\n').find((each) => each.includes(`"msg":"${msg}"`) && each.endsWith('}'));
      if (line !== undefined) return JSON.parse(line) as Record<string, unknown>;
      if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode} before "${msg}"\n${output}${errors}`);
      await Promise.race([once(child.stdout!, 'data'), code]);
    }
  };
  return { child, output: () => output, errors: () => errors, code, logged };
}

async function run(args: string[], env?: Record<string, string>, flags?: string[]): Promise<{ code: number | null; output: string; errors: string }> {
  const container = start(args, env, flags);
  return { code: await container.code, output: container.output(), errors: container.errors() };
}

interface Answer {
  readonly status: number;
  readonly model: string | null;
  readonly reason: string | null;
  readonly text: string;
}

interface Pod {
  ask(): Promise<Answer>;
  /** Passed through to the primary. */
  files(): Promise<Answer>;
  /** SIGTERM; everything that it said. */
  stop(): Promise<{ code: number | null; output: string; errors: string }>;
}

interface PodOptions {
  readonly redisUrl?: string;
  readonly flags?: string[];
  readonly fallback?: boolean;
}

/** Simulated providers and the sidecar, both of the bundle. The primary may take one request a minute. */
async function startPod({ redisUrl, flags = [], fallback = true }: PodOptions = {}): Promise<Pod> {
  const providers = start(['simulate', '--port', '0']);
  const { url } = await providers.logged('ready');
  const config = join(configs, `${redisUrl === undefined ? 'process' : 'redis'}.yaml`);
  const model = (name: string, limit: number): string =>
    `  ${name}: { provider: openai, baseUrl: "${url as string}/v1", model: ${name}, apiKey: { env: KEY }, limits: { requestsPerMinute: ${limit} } }\n`;
  writeFileSync(
    config,
    `version: 1\nmodels:\n${model('primary', 1)}${model('backup', 100)}groups:\n  chat: { models: [primary]${fallback ? ', fallback: [backup]' : ''} }\npassthrough: { paths: [files] }\n${redisUrl === undefined ? '' : 'redis: { url: { env: REDIS_URL } }\n'}`,
  );
  const env = { SPILLWAY_CONFIG: config, SPILLWAY_LISTEN: '127.0.0.1:0', SPILLWAY_ADMIN: '127.0.0.1:0', KEY: 'sk-simulated', ...(redisUrl !== undefined && { REDIS_URL: redisUrl }) };
  const sidecar = start(undefined, env, flags);
  const { listen, admin } = (await sidecar.logged('ready')) as { listen: string[]; admin: string };
  expect((await fetch(`http://${admin}/readyz`)).status).toBe(200);
  const answer = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(`http://${listen[0]}/v1/${path}`, init);
    return { status: response.status, model: response.headers.get('x-spillway-model'), reason: response.headers.get('x-spillway-reason'), text: await response.text() };
  };
  return {
    ask() {
      const body = JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'echo: still here' }] });
      return answer('chat/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    },
    files: () => answer('files', { headers: { 'x-spillway-model': 'primary' } }),
    async stop() {
      sidecar.child.kill('SIGTERM');
      const code = await sidecar.code;
      providers.child.kill('SIGTERM');
      expect(await providers.code).toBe(0);
      return { code, output: sidecar.output(), errors: sidecar.errors() };
    },
  };
}

/** Path of a file in dist/ -> its text. */
function chunks(): Map<string, string> {
  const dist = join(root, 'app/dist');
  const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(files.map((entry) => join(entry.parentPath, entry.name)).map((path) => [relative(dist, path), readFileSync(path, 'latin1')]));
}

const isScript = (path: string): boolean => path.endsWith('.js');

test('the Dockerfile: one pinned place for Node, npm ci, a numeric user that is no other, a command line without a shell', () => {
  expect(stages).toHaveLength(2);
  expect(stages.map(({ from }) => from)).toEqual(['${NODE} AS build', '${NODE}']);
  expect(readFileSync(join(REPO, 'Dockerfile'), 'utf8')).toMatch(/^ARG NODE=node:26-slim$/m);
  expect(all(build, 'RUN').slice(0, 2)).toEqual(['npm ci', 'npm run build']);
  expect(uid).toBe(gid);
  expect([0, 999, 1000, 1001, 1337, 2102, 65_532, 65_534]).not.toContain(uid);
  expect(one(final, 'EXPOSE')).toBe('4000 4001');
  expect(one(final, 'STOPSIGNAL')).toBe('SIGTERM');
  expect(all(final, 'HEALTHCHECK')).toEqual([]);
  expect(Object.keys(pairs(one(final, 'LABEL')))).toContain('org.opencontainers.image.version');
  expect(JSON.parse(one(final, 'ENTRYPOINT'))).toContain('/app/dist/main.js');
});

describe('what is in the bundle', () => {
  test('nothing of the machine that built it, of the tests, or of a registry', () => {
    const stray: string[] = [];
    for (const [path, bytes] of chunks()) {
      // Compiled code names its source; in the image that is /app.
      const text = path.startsWith('cache/') ? bytes.replaceAll(join(sandbox, 'build'), '/app') : bytes;
      for (const sign of [REPO, sandbox, '/node_modules/', '@jest', 'fast-check', 'test/support', 'npmjs', 'registry.']) if (text.includes(sign)) stray.push(`${path}: ${sign}`);
    }
    expect(stray).toEqual([]);
  });

  test('scripts and their compiled code only; no import leaves it', () => {
    const strangers: string[] = [];
    for (const [path, text] of chunks()) {
      if (!isScript(path)) expect(path).toMatch(/^(?:cache\/.*|package\.json)$/);
      else for (const [, from = ''] of text.matchAll(/(?:^|;)(?:import|export)\b[^;"']*?["']([^"']+)["']/gm)) if (!/^\.{1,2}\//.test(from) && !isBuiltin(from)) strangers.push(`${path}: ${from}`);
    }
    expect(strangers).toEqual([]);
  });

  test('Node is told that they are modules: it does not have to read them twice', () => {
    expect(JSON.parse(chunks().get('package.json')!)).toEqual({ type: 'module' });
  });

  test('another user may read every file, and nobody may write one', () => {
    for (const path of chunks().keys()) expect({ path, mode: statSync(join(root, 'app/dist', path)).mode & 0o226 }).toEqual({ path, mode: 0o004 });
  });
});

test('budgets in the process: ready, served, diverted, and an orderly stop', async () => {
  const pod = await startPod();
  expect(await pod.ask()).toMatchObject({ status: 200, model: 'primary', reason: null, text: expect.stringContaining('still here') });
  expect(await pod.ask()).toMatchObject({ status: 200, model: 'backup', reason: 'budget_requests' });
  expect(await pod.stop()).toMatchObject({ code: 0, errors: '', output: expect.stringContaining('"msg":"stopped"') });
});

test('what is loaded at the first refusal is there: the next requests are answered, too', async () => {
  const pod = await startPod({ fallback: false });
  expect(await pod.ask()).toMatchObject({ status: 200, model: 'primary' });
  for (let refusals = 0; refusals < 3; refusals++) expect(await pod.ask()).toMatchObject({ status: 429, reason: 'budget_requests' });
  expect(await pod.stop()).toMatchObject({ code: 0, errors: '' });
});

test('what is loaded at the first passed-through request is there', async () => {
  const pod = await startPod();
  expect(await pod.files()).toMatchObject({ status: 200, text: expect.stringContaining('"object":"list"') });
  expect(await pod.stop()).toMatchObject({ code: 0, errors: '' });
});

test('an upstream behind TLS and a proxy: what the bundle takes of undici is enough', async () => {
  const [upstream, proxy] = await Promise.all([startSecureUpstream(), startProxy()]);
  const authority = join(configs, 'ca.pem');
  copyFileSync(AUTHORITY, authority);
  const config = join(configs, 'tunnel.yaml');
  writeFileSync(config, `version: 1\nmodels:\n  m: { provider: openai, model: m, baseUrl: "https://localhost:${upstream.port}/v1" }\ngroups:\n  chat: { models: [m] }\n`);
  const env = { NODE_EXTRA_CA_CERTS: authority, HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, SPILLWAY_CONFIG: config, SPILLWAY_LISTEN: '127.0.0.1:0', SPILLWAY_ADMIN: '127.0.0.1:0' };
  const { listen } = (await start(undefined, env).logged('ready')) as { listen: string[] };
  const { status } = await fetch(`http://${listen[0]}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"model":"chat"}' });
  expect({ status, tunnels: proxy.tunnels, versions: upstream.versions }).toEqual({ status: 200, tunnels: [`localhost:${upstream.port}`], versions: ['1.1'] });
  proxy.close();
  upstream.close();
});

describeWithRedis('budgets in Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  test('two pods share one budget, so the scripts are in the bundle; ioredis is loaded', async () => {
    const first = await startPod({ redisUrl: redis.url, flags: watching });
    const second = await startPod({ redisUrl: redis.url });
    expect(await first.ask()).toMatchObject({ status: 200, model: 'primary' });
    expect(await second.ask()).toMatchObject({ status: 200, model: 'backup', reason: 'budget_requests' });
    expect(await second.stop()).toMatchObject({ code: 0, errors: '' });
    const { code, errors, output } = await first.stop();
    expect(code).toBe(0);
    expect(output).not.toContain('"redis"');
    expect(partsOf(errors)).toContain('ioredis');
  });
});

describe('the other commands', () => {
  test('demo', async () => {
    const { code, output, errors } = await run(['demo', '--duration', '2s', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0']);
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(output).toMatch(/errors the app saw +0$/m);
  });

  test('validate, --help of each, and a word that is none', async () => {
    const wrong = join(configs, 'wrong.yaml');
    writeFileSync(wrong, 'version: 1\nmodles: {}\n');
    expect(await run(['validate', wrong])).toMatchObject({ code: 1, errors: expect.stringContaining(`${wrong}:2:1: `) });
    const { output } = await run(['--help']);
    const commands = [...output.matchAll(/^ {2}(\w+) {2,}/gm)].map(([, name]) => name!);
    expect(commands).toEqual(expect.arrayContaining(['serve', 'demo', 'simulate', 'validate']));
    for (const help of await Promise.all(commands.map((name) => run([name, '--help'])))) expect(help).toMatchObject({ code: 0, errors: '' });
    expect(await run(['sevre'])).toMatchObject({ code: 2 });
  });
});

/** Told at the exit on standard error: the files of the bundle that were loaded, and Node's own undici if it was. */
const WATCH = `
  import { registerHooks } from 'node:module';
  import { writeSync } from 'node:fs';
  const urls = [];
  registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) });
  process.on('exit', () => {
    if (process.moduleLoadList.some((name) => name.endsWith('deps/undici/undici'))) urls.push('fetch of Node');
    writeSync(2, 'LOADED ' + JSON.stringify(urls) + '\\n');
  });
`;
const watching = ['--import', `data:text/javascript,${encodeURIComponent(WATCH)}`];

/** By a word that each library says itself. */
const SIGNS = { ioredis: 'MaxRetriesPerRequestError', express: 'x-powered-by', undici: 'UND_ERR_CONNECT_TIMEOUT', yaml: 'BLOCK_AS_IMPLICIT_KEY', pino: 'pino.metadata', mocks: 'MockNotMatchedError', simulator: '_sim/faults' };

function partsOf(errors: string): string[] {
  const urls = JSON.parse(/^LOADED (.*)$/m.exec(errors)![1]!) as string[];
  const texts = urls.filter((url) => url.startsWith('file:')).map((url) => readFileSync(fileURLToPath(url), 'utf8'));
  const parts = Object.entries(SIGNS).filter(([, sign]) => texts.some((text) => text.includes(sign))).map(([name]) => name);
  return [...parts, ...urls.filter((url) => url === 'fetch of Node')];
}

describe('lazy parts stay lazy', () => {
  test('a CommonJS package that is loaded when it is needed is taken by its default: it has no other name in a bundle', () => {
    const scripts = [...chunks()].filter(([path]) => isScript(path));
    const names = scripts.filter(([, text]) => /;export default [\w$]+\(\);\s*$/.test(text)).map(([path]) => basename(path));
    expect(names.join(' ')).toMatch(/rate-limiter-flexible/);
    const calls = scripts.flatMap(([, text]) => [...text.matchAll(/(.{0,40})import\("\.\/(?:chunks\/)?([^"]+)"\)/g)].filter(([, , name]) => names.includes(name!)));
    expect(calls.length).toBeGreaterThanOrEqual(names.length);
    for (const [, before] of calls) expect(before).toMatch(/\{default:[\w$]+\}=await $/);
  });

  test('every sign is in one file or more: else the next tests would prove nothing', () => {
    const texts = [...chunks()].filter(([path]) => isScript(path)).map(([, text]) => text);
    for (const [name, sign] of Object.entries(SIGNS)) expect({ name, found: texts.some((text) => text.includes(sign)) }).toEqual({ name, found: true });
  });

  test('serve without Redis loads no ioredis, no simulator, of undici the two parts only, and not the fetch of Node', async () => {
    const pod = await startPod({ flags: watching });
    expect(await pod.ask()).toMatchObject({ status: 200 });
    expect(partsOf((await pod.stop()).errors)).toEqual(['express', 'undici', 'yaml', 'pino']);
  });

  test('validate loads the configuration alone, --version nothing', async () => {
    const config = join(REPO, 'deploy/compose/spillway.yaml');
    const copy = join(configs, 'valid.yaml');
    copyFileSync(config, copy);
    const { code, errors } = await run(['validate', copy], {}, watching);
    expect({ code, parts: partsOf(errors) }).toEqual({ code: 0, parts: ['yaml'] });
    const version = await run(['--version'], {}, watching);
    expect({ code: version.code, parts: partsOf(version.errors) }).toEqual({ code: 0, parts: [] });
  });

  test('the compiled code made with the image is taken, on a read-only root, by its user and by any other', async () => {
    for (const user of isRoot ? [{ uid, gid }, { uid: 1_000_750_000, gid: 0 }] : [{ uid, gid }]) {
      const container = start(['serve', '--help'], { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' }, [], user);
      expect(await container.code).toBe(0);
      const said = container.output() + container.errors();
      const files = (verdict: string): string[] => [...said.matchAll(new RegExp(`V8 code cache for \\S+ \\S*?([\\w-]+)\\.js ${verdict}`, 'g'))].map(([, name]) => name!);
      expect(files('was accepted')).toEqual(expect.arrayContaining(['main', expect.stringMatching(/^serve-/)]));
      expect(files('was not initialized')).toEqual([]);
    }
  });
});
