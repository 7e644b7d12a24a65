/** A pod from an app's own manifest by way of `inject`, run by a podlet: the order of start and end is Kubernetes'. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { parseAllDocuments } from 'yaml';
import { inject } from '../../../src/commands/inject.ts';
import { startSimulator, type Simulator } from '../../../src/simulator/server.ts';
import { chat, closeConnections, get, until } from '../../chaos/client.ts';
import { destroyPodlets, Podlet, type PodletOptions } from '../../support/podlet.ts';
import { podsOf } from '../manifests/pods.ts';
import type { Manifest } from '../manifests/strict.ts';

const STREAMS = 10;
const TOKENS = 30;
const KEY = 'sk-of-the-provider';
const SECOND_KEY = 'sk-of-the-second';

let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator({ models: [{ name: 'slow', answerTokens: TOKENS, tokensPerSecond: 25 }, { name: 'endless', answerTokens: 1_000, tokensPerSecond: 10 }, ...['fast', 'other', 'claude-sonnet-4-5', 'claude-haiku-4-5'].map((name) => ({ name }))], apiKeys: [KEY, SECOND_KEY, 'replace-me'] });
});

afterEach(async () => {
  await destroyPodlets();
  closeConnections();
  simulator.reset();
});

afterAll(() => simulator.close());

const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata: { name: checkout, namespace: shop }
spec:
  selector:
    matchLabels: { app.kubernetes.io/name: checkout }
  template:
    metadata:
      labels: { app.kubernetes.io/name: checkout }
    spec:
      containers:
        - name: app
          image: checkout:1
`;

const JOB = `apiVersion: batch/v1
kind: Job
metadata: { name: summary, namespace: shop }
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: app
          image: summary:1
`;

function config(models: readonly string[] = ['fast']): string {
  return `version: 1
models:
  fast: { provider: openai, model: fast, baseUrl: ${simulator.url}/v1, apiKey: { env: PROVIDER_KEY } }
  slow: { provider: openai, model: slow, baseUrl: ${simulator.url}/v1, apiKey: { env: PROVIDER_KEY } }
  endless: { provider: openai, model: endless, baseUrl: ${simulator.url}/v1, apiKey: { env: PROVIDER_KEY } }
  other: { provider: openai, model: other, baseUrl: ${simulator.url}/v1, apiKey: { file: /var/run/secrets/spillway/SECOND_KEY } }
groups:
  chat: { models: [${models.join(', ')}] }
  stream: { models: [slow] }
  long: { models: [endless] }
`;
}

async function injected(manifest: string, ...options: string[]): Promise<Manifest[]> {
  let [out, err] = ['', ''];
  const code = await inject(['-f', '-', '--env', ...options], {
    stdin: async () => manifest,
    stdout: (text) => void (out += text),
    stderr: (text) => void (err += text),
  });
  if (code !== 0) throw new Error(err);
  return manifestsIn(out);
}

function manifestsIn(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

type Given = Partial<PodletOptions> & { readonly yaml?: string; readonly inject?: readonly string[] };

async function start(manifest: string, app: string, { yaml = config(), inject = ['--no-watch'], ...more }: Given = {}): Promise<Podlet> {
  const [pod] = podsOf(await injected(manifest, ...inject));
  return Podlet.start({
    spec: pod!.spec,
    labels: pod!.labels,
    configMaps: { spillway: { 'spillway.yaml': yaml } },
    secrets: { 'spillway-keys': { PROVIDER_KEY: KEY, SECOND_KEY } },
    scripts: { app },
    ...more,
  });
}

/** Nothing is tried twice. */
const CLIENT = `
import OpenAI from 'openai';
const client = new OpenAI({ maxRetries: 0 });
const ask = (model) => client.chat.completions.create({ model, messages: [{ role: 'user', content: 'hello' }] }).then(({ choices }) => choices[0].finish_reason, (error) => String(error.cause ?? error));
const say = (what) => console.log(JSON.stringify(what));
`;
const ASKS_ONCE = `${CLIENT}say(await ask('chat'));`;
const STAYS = `process.on('SIGTERM', () => process.exit(0)); setInterval(() => undefined, 60_000);`;
/** Sooner than any library is loaded. */
const AT_ONCE = `${STAYS}
const { OPENAI_BASE_URL, OPENAI_API_KEY } = process.env;
const body = JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'hello' }] });
const asked = fetch(OPENAI_BASE_URL + '/chat/completions', { method: 'POST', body, headers: { 'content-type': 'application/json', authorization: 'Bearer ' + OPENAI_API_KEY } });
console.log(JSON.stringify(await asked.then(({ status }) => status, ({ cause }) => cause.code ?? String(cause))));`;

/** What the app says, line by line. */
function said(podlet: Podlet, name = 'app'): unknown[] {
  const lines = podlet.container(name).log.trim().split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as unknown);
}

async function says(podlet: Podlet, name = 'app'): Promise<unknown> {
  await podlet.running;
  await until(`${name} says something`, () => podlet.container(name).log.includes('\n')).catch((error: Error) => {
    throw new Error(`${error.message}\n${podlet.logs()}`, { cause: error });
  });
  return said(podlet, name)[0];
}

/** Only words of order: readiness is asked for every few seconds. */
function order(podlet: Podlet): string[] {
  return podlet.events.filter((event) => !event.endsWith('ready'));
}

const SECOND = '        - name: second\n          image: checkout:1\n';

describe('the start', () => {
  test.each([1, 2, 3])('the first call of the app succeeds, by the client and sooner (%i)', async () => {
    const podlet = await start(DEPLOYMENT + SECOND, '', { scripts: { app: ASKS_ONCE + STAYS, second: AT_ONCE } });
    expect(await says(podlet)).toBe('stop');
    expect(await says(podlet, 'second')).toBe(200);
    expect(order(podlet)).toEqual(['spillway start', 'spillway started', 'app start', 'app started', 'second start', 'second started']);
    await until('ready', () => podlet.ready);
    // The pod's label by way of the Downward API, the Secret's key by way of envFrom.
    expect((await get(`${podlet.admin}/metrics`)).text).toContain('app="checkout"');
    expect(simulator.log.map(({ authorization, outcome }) => ({ authorization, outcome }))).toEqual([1, 2].map(() => ({ authorization: `Bearer ${KEY}`, outcome: 'complete' })));
  });

  test('without the startup probe the same app finds nobody', async () => {
    const [pod] = podsOf(await injected(DEPLOYMENT, '--no-watch'));
    delete pod!.spec.initContainers![0]!.startupProbe;
    expect(await says(await start(DEPLOYMENT, AT_ONCE, { spec: pod!.spec }))).toBe('ECONNREFUSED');
  });

  test('a configuration that is refused keeps the app from starting, until it is mended', async () => {
    const podlet = await start(DEPLOYMENT, ASKS_ONCE + STAYS, { yaml: config(['fats']), backoffMs: 300 });
    const sidecar = podlet.container('spillway');
    await until('started again', () => sidecar.restarts === 1);
    expect(podlet.phase).toBe('Pending');
    expect(podlet.ready).toBe(false);
    expect(order(podlet).slice(0, 3)).toEqual(['spillway start', 'spillway end 1', 'spillway start']);
    expect(sidecar.log).toMatch(/spillway\.yaml:8:20: .*fats/);
    expect(sidecar.log).not.toContain(KEY);
    await podlet.edit('spillway', { 'spillway.yaml': config() });
    expect(await says(podlet)).toBe('stop');
    expect(podlet.events.indexOf('app start')).toBeGreaterThan(podlet.events.indexOf('spillway started'));
  });
});

const STREAMING = (group: string, count: number): string => `${CLIENT}
const terminated = new Promise((resolve) => process.once('SIGTERM', resolve));
let begun = 0;
const stream = async () => {
  let [text, end, chunks] = ['', null, 0];
  for await (const { choices: [choice] } of await client.chat.completions.create({ model: '${group}', stream: true, messages: [{ role: 'user', content: 'hello' }] })) {
    if (chunks++ === 0 && ++begun === ${count}) say('begun');
    text += choice?.delta.content ?? '';
    end = choice?.finish_reason ?? end;
  }
  return { text, end };
};
const streams = Promise.all(Array.from({ length: ${count} }, () => stream().catch((error) => ({ error: String(error) }))));
await terminated;
say({ late: await ask('chat'), streams: await streams });
process.exit(0);`;

describe('the end', () => {
  test('SIGTERM to the pod during streams loses none, and a late call is served', async () => {
    const podlet = await start(DEPLOYMENT, STREAMING('stream', STREAMS));
    expect(await says(podlet)).toBe('begun');
    await until('ready', () => podlet.ready);
    expect(simulator.log.filter(({ outcome }) => outcome === 'pending')).toHaveLength(STREAMS);
    await podlet.delete();
    const { late, streams } = said(podlet)[1] as { late: string; streams: { text: string; end: string }[] };
    const [first] = streams;
    expect({ late, end: first!.end, error: (first as { error?: string }).error }).toEqual({ late: 'stop', end: 'stop' });
    expect(first!.text.length).toBeGreaterThan(TOKENS);
    expect(streams).toEqual(Array.from({ length: STREAMS }, () => first));
    expect(simulator.log.filter(({ model, outcome, completionTokens }) => model === 'slow' && outcome === 'complete' && completionTokens === TOKENS)).toHaveLength(STREAMS);
    expect(order(podlet).slice(4)).toEqual(['pod delete', 'app SIGTERM', 'app end 0', 'spillway SIGTERM', 'spillway end 0']);
    expect(podlet.container('spillway').log).toContain('"stopped"');
  });

  test('an app that takes all the time there is leaves the sidecar enough to end in order', async () => {
    const manifest = DEPLOYMENT.replace('      containers:', '      terminationGracePeriodSeconds: 1\n      containers:');
    const podlet = await start(manifest, STREAMING('long', 2));
    expect(await says(podlet)).toBe('begun');
    await podlet.delete();
    expect(order(podlet).slice(4)).toEqual(['pod delete', 'app SIGTERM', 'app SIGKILL', 'app end SIGKILL', 'spillway SIGTERM', 'spillway end 0']);
    expect(simulator.log.filter(({ model }) => model === 'endless').map(({ outcome }) => outcome)).toEqual(['client-left', 'client-left']);
  });

  test('a Job is over with its app although the sidecar runs, complete or failed', async () => {
    // A mesh before it, and an init container of the app's own that asks, too.
    const inits = `      initContainers:
        - { name: istio-proxy, image: mesh:1, restartPolicy: Always }
        - name: prepare
          image: summary:1
          env:
            - { name: OPENAI_BASE_URL, value: "http://localhost:4000/v1" }
            - { name: OPENAI_API_KEY, value: held-by-spillway }
      containers:`;
    const manifest = JOB.replace('      containers:', inits);
    const job = (code: number): Promise<Podlet> => start(manifest, '', { scripts: { 'istio-proxy': STAYS, prepare: ASKS_ONCE, app: `${ASKS_ONCE}process.exitCode = ${code};` } });
    const [complete, failed] = await Promise.all([job(0), job(3)]);
    expect([await complete.ended, await failed.ended]).toEqual(['Succeeded', 'Failed']);
    for (const [code, podlet] of [[0, complete], [3, failed]] as const) {
      expect([...said(podlet, 'prepare'), ...said(podlet)]).toEqual(['stop', 'stop']);
      expect(order(podlet)).toEqual([
        'istio-proxy start', 'istio-proxy started', 'spillway start', 'spillway started', 'prepare start', 'prepare started', 'prepare end 0',
        'app start', 'app started', `app end ${code}`, 'spillway SIGTERM', 'spillway end 0', 'istio-proxy SIGTERM', 'istio-proxy end 0',
      ]);
    }
  });
});

describe('an edit of the ConfigMap', () => {
  // With --watch the API server is asked as well; it is away here, and the mounted file alone brings the edit.
  test.each([['a mounted file', ['--no-watch']], ['a mounted file beside an API server that is away', []]])('of %s is in force soon, without a restart', async (_, inject) => {
    const podlet = await start(DEPLOYMENT, STAYS, { inject });
    await podlet.running;
    const sidecar = podlet.container('spillway');
    const { pid } = sidecar;
    const servedBy = async (): Promise<unknown> => (await chat(podlet.url, { model: 'chat' })).headers['x-spillway-model'];
    expect(await servedBy()).toBe('fast');
    await podlet.edit('spillway', { 'spillway.yaml': config(['other']) });
    expect(await until('in force', async () => (await servedBy()) === 'other')).toBeLessThan(5_000);
    expect(simulator.log.at(-1)).toMatchObject({ model: 'other', authorization: `Bearer ${SECOND_KEY}`, status: 200 });
    // A mistake changes nothing, and is told.
    await podlet.edit('spillway', { 'spillway.yaml': config(['fats']) });
    await until('refused', () => sidecar.log.includes('fats'));
    expect(await servedBy()).toBe('other');
    expect(podlet.events.filter((event) => event === 'spillway not ready')).toEqual([]);
    expect({ pid: sidecar.pid, restarts: sidecar.restarts }).toEqual({ pid, restarts: 0 });
    if (inject.length > 0) return;
    const { config: seen } = JSON.parse((await get(`${podlet.admin}/status`)).text) as { config: { watch: unknown } };
    expect(seen.watch).toMatchObject({ source: 'configmap:shop/spillway', connected: false, newest: 'file' });
    expect(sidecar.log).toContain('edits do not arrive by the API server');
  });
});

describe('a pod without an API server starts and ends', () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket.on('error', () => undefined).resume()));

  beforeAll(async () => {
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
  });

  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  test('that takes connections and says nothing', async () => {
    const { port } = silent.address() as { port: number };
    const podlet = await start(JOB, ASKS_ONCE, { inject: [], apiServer: { host: '127.0.0.1', port } });
    expect(await podlet.ended).toBe('Succeeded');
    expect(said(podlet)).toEqual(['stop']);
    expect(sockets.size).toBeGreaterThan(0);
    expect(order(podlet).slice(-2)).toEqual(['spillway SIGTERM', 'spillway end 0']);
  });

  test('the shipped Job, while its Redis is away, too', async () => {
    const shipped = async (name: string): Promise<string> => readFile(new URL(`../../../deploy/examples/${name}.yaml`, import.meta.url), 'utf8');
    const [configMap] = manifestsIn(await shipped('config')) as unknown as { data: Record<string, string> }[];
    const [secret] = manifestsIn(await shipped('secret')) as unknown as { stringData: Record<string, string> }[];
    const [pod] = podsOf(manifestsIn(await shipped('job')));
    const podlet = await start(JOB, ASKS_ONCE.replace("'chat'", "'dev-claude-with-fallback'"), {
      spec: pod!.spec,
      configMaps: { spillway: { 'spillway.yaml': configMap!.data['spillway.yaml']!.replaceAll('https://api.anthropic.com', simulator.url) } },
      secrets: { 'spillway-keys': { ...secret!.stringData, REDIS_URL: 'redis://127.0.0.1:1' } },
    });
    expect(await podlet.ended).toBe('Succeeded');
    expect(said(podlet)).toEqual(['stop']);
    expect(order(podlet).slice(-2)).toEqual(['spillway SIGTERM', 'spillway end 0']);
  });
});
