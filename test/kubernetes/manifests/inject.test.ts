/** `spillway inject`: the whole command, by example. */
import { describe, expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Io } from '../../../src/commands/command.ts';
import { IMAGE, inject, INJECT_HELP } from '../../../src/commands/inject.ts';
import { describeWithKubeTools, kubectl, printed } from '../../support/kube-tools.ts';
import { podsOf, sidecarOf } from './pods.ts';
import { manifestsIn, mistakesIn } from './rules.ts';
import type { Manifest } from './strict.ts';

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(args: string[], stdin = ''): Promise<Result> {
  let out = '';
  let err = '';
  const io: Pick<Io, 'stdout' | 'stderr' | 'stdin'> = { stdout: (text) => (out += text), stderr: (text) => (err += text), stdin: () => Promise.resolve(stdin) };
  const code = await inject(args, io);
  return { code, out, err };
}

const golden = (name: string): string => readFileSync(join(import.meta.dirname, 'golden', name), 'utf8');
const BEFORE = golden('workloads.yaml');
const AFTER = golden('workloads.injected.yaml');
const OPTIONS = ['-f', '-', '--env', '--redis-secret', 'redis', '--configmap', 'shop/limits'];

const POD = `apiVersion: v1
kind: Pod
metadata:
  name: once
spec:
  containers:
    - name: app
      image: x
      resources: { requests: { memory: 1Mi }, limits: { memory: 1Mi } }
`;

const injected = async (text: string, ...args: string[]): Promise<{ manifests: Manifest[]; err: string }> => {
  const { code, out, err } = await run(['-f', '-', ...args], text);
  expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
  return { manifests: manifestsIn(out), err };
};

describe('several documents, a list, comments, a mesh', () => {
  test('in, again, and out', async () => {
    const { code, out, err } = await run(OPTIONS, BEFORE);
    expect({ code, out }).toEqual({ code: 0, out: AFTER });
    expect(err.split('\n')[0]).toBe('-:37:19: warning: Deployment/checkout: OPENAI_BASE_URL of the container app is set already and stays: its calls do not come to the sidecar');
    expect(await run(OPTIONS, AFTER)).toMatchObject({ code: 0, out: AFTER });
    expect(await run(['-f', '-', '--remove'], AFTER)).toEqual({ code: 0, out: BEFORE, err: '' });
  });

  test('what comes out is right, field by field', async () => {
    expect((await mistakesIn(manifestsIn(AFTER), false)).filter((message) => !/memory is asked for/.test(message))).toEqual([]);
  });

  test('warnings point into the file as it was given, also when it has a sidecar already', async () => {
    const { err } = await run(OPTIONS, AFTER);
    const line = Number(/^-:(\d+):/.exec(err)![1]);
    expect(AFTER.split('\n')[line - 1]).toContain('- name: OPENAI_BASE_URL');
    expect(AFTER.split('\n')[line]).toContain('api.openai.com');
  });
});

describe('what it may do', () => {
  test('a ServiceAccount of its own, bound once, in the namespace where the workload goes', async () => {
    const { manifests, err } = await injected(`${POD}---\n${POD.replace('once', 'twice')}`);
    expect(manifests.map(({ kind, metadata }) => `${kind}/${metadata.namespace}/${metadata.name}`)).toEqual(['Pod/undefined/once', 'Pod/undefined/twice', 'ServiceAccount/undefined/spillway', 'Role/undefined/spillway', 'RoleBinding/undefined/spillway:spillway']);
    expect(await mistakesIn(manifests, false)).toEqual([]);
    expect(err).toContain('-:1:1: warning: Pod/once names no ServiceAccount and gets one, spillway');
  });

  test('the ServiceAccount that the workload names stays, and is bound', async () => {
    const { manifests, err } = await injected(POD.replace('spec:', 'spec:\n  serviceAccountName: own').replace('name: once', 'name: once\n  namespace: shop'), '--configmap', 'limits');
    expect(podsOf(manifests)[0]!.spec.serviceAccountName).toBe('own');
    expect(manifests.slice(1)).toMatchObject([
      { kind: 'Role', metadata: { name: 'spillway:limits', namespace: 'shop' }, rules: [{ resourceNames: ['limits'] }, {}] },
      { kind: 'RoleBinding', metadata: { name: 'spillway:limits:own' }, subjects: [{ name: 'own', namespace: 'shop' }] },
    ]);
    expect(await mistakesIn(manifests, false)).toEqual([]);
    expect(err).toBe('');
  });

  test('the ConfigMap of another namespace is read from the API, Events stay with the pod', async () => {
    const { manifests, err } = await injected(POD.replace('name: once', 'name: once\n  namespace: shop'), '--configmap', 'platform/limits');
    const [pod] = podsOf(manifests);
    expect(sidecarOf(pod!)!.args).toEqual(['serve', '--config', 'configmap:platform/limits', '--grace', '25s']);
    expect(pod!.spec.volumes!.map(({ name }) => name)).toEqual(['spillway-secrets', 'spillway-token']);
    expect(manifests.slice(1).map(({ kind, metadata }) => `${kind}/${metadata.namespace}/${metadata.name}`)).toEqual(['ServiceAccount/shop/spillway', 'Role/platform/spillway:limits', 'RoleBinding/platform/spillway:limits:shop:spillway', 'Role/shop/spillway-events', 'RoleBinding/shop/spillway-events:spillway']);
    expect(await mistakesIn(manifests, false)).toEqual([]);
    expect(err).toContain('its pods start only while the API server answers');
  });

  test('no watch, no rights and no token', async () => {
    const { manifests, err } = await injected(POD, '--no-watch');
    expect(manifests).toHaveLength(1);
    expect(podsOf(manifests)[0]!.spec).not.toHaveProperty('serviceAccountName');
    expect(podsOf(manifests)[0]!.spec.volumes!.map(({ name }) => name)).toEqual(['spillway-config', 'spillway-secrets']);
    expect(err).toBe('');
    expect(await mistakesIn(manifests, false)).toEqual([]);
  });
});

describe('options', () => {
  const sidecar = async (...args: string[]) => sidecarOf(podsOf((await injected(POD, ...args)).manifests)[0]!)!;

  test('image and Secrets', async () => {
    expect((await sidecar()).image).toBe(IMAGE);
    expect((await sidecar('--image', 'registry.example.com:5000/spillway@sha256:00')).image).toBe('registry.example.com:5000/spillway@sha256:00');
    expect((await sidecar()).envFrom).toEqual([{ secretRef: { name: 'spillway-keys' } }]);
    expect((await sidecar('--key-secret', 'keys', '--redis-secret', 'redis')).envFrom).toEqual([{ secretRef: { name: 'keys' } }, { secretRef: { name: 'redis' } }]);
    expect(await sidecar('--key-secret', 'none')).not.toHaveProperty('envFrom');
  });

  test('without a namespace in the file, the one of --configmap is where it is to be applied', async () => {
    const { manifests, err } = await injected(POD, '--configmap', 'shop/limits');
    expect(sidecarOf(podsOf(manifests)[0]!)!.args).toContain('configmap:$(POD_NAMESPACE)/limits');
    expect(err).toContain('Pod/once names no namespace: apply it in shop');
  });

  test('other wishes replace the sidecar that is there', async () => {
    const first = await run(['-f', '-'], POD);
    const second = await run(['-f', '-', '--image', 'r/s:2', '--no-watch'], first.out);
    expect(second.out).toBe((await run(['-f', '-', '--image', 'r/s:2', '--no-watch'], POD)).out);
  });
});

describe('warnings', () => {
  test.each([
    ['hostNetwork', POD.replace('spec:', 'spec:\n  hostNetwork: true'), "-:6:3: warning: Pod/once has hostNetwork: port 4000 is then the node's"],
    ['a port of ours', POD.replace('image: x', 'image: x\n      ports: [{ containerPort: 4001 }]'), '-:9:15: warning: Pod/once: the container app has port 4001, which the sidecar needs'],
  ])('%s', async (_, text, message) => {
    const { code, out, err } = await run(['-f', '-'], text);
    expect({ code, changed: out.includes('name: spillway') }).toEqual({ code: 0, changed: true });
    expect(err).toContain(message);
  });

  test('nothing to take out', async () => {
    expect(await run(['-f', '-', '--remove'], POD)).toEqual({ code: 0, out: POD, err: '-:1:1: warning: no sidecar of inject is here: nothing was changed\n' });
  });
});

describe('what is refused: the reason with its place, and nothing on standard output', () => {
  const many = (text: string, n: number): string => text.repeat(n);
  test.each([
    ['nothing', '', '-:1:1: there is no workload here: expected one of Deployment, StatefulSet'],
    ['no YAML', 'a: [1\nb: }', '-:2:1: '],
    ['a template of Helm', 'kind: Deployment\nmetadata: {{ include "x" . }}\n', 'helm template . | spillway inject -f -'],
    ['plain text', 'hello', '-:1:1: there is no workload here'],
    ['too deep', many('[', 20_000), 'nested too deeply'],
    ['a ConfigMap', 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: x }\n', '-:1:1: there is no workload here'],
    ["another group's Job", POD.replace('v1', 'batch.volcano.sh/v1').replace('Pod', 'Job'), 'there is no workload here'],
    ['a Deployment without a template', 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: d }\nspec: {}\n', '-:4:7: Deployment/d: spec.template.spec is missing or is no mapping'],
    ['a Pod without containers', POD.replace(/containers:[^]*/, 'containers: []\n'), '-:6:3: Pod/once has no containers'],
    ['a classic container of our name', POD.replace('- name: app', '- name: spillway'), '-:7:7: Pod/once has a container named spillway under containers that inject did not add: take it out first'],
    ['a sidecar from elsewhere', POD.replace('spec:', 'spec:\n  initContainers: [{ name: spillway, image: x }]'), '-:6:20: Pod/once has a container named spillway under initContainers'],
    ['a volume of our name', POD.replace('spec:', 'spec:\n  volumes: [{ name: spillway-config, emptyDir: {} }]'), 'has a volume named spillway-config that inject did not add'],
    ['an alias', POD.replace('spec:', 'x: &x []\nspec:\n  volumes: *x'), '-:7:12: volumes is an alias (*x): write out what it stands for'],
    ['a merge key', POD.replace('spec:', 'x: &x { volumes: [] }\nspec:\n  <<: *x'), '-:7:3: Pod/once: a merge key (<<)'],
    ['a word for nothing', POD.replace('spec:', 'spec:\n  volumes: null'), '-:6:3: volumes is null: leave it out'],
    ['keys with question marks', POD.replace('  containers:', '  ? containers\n  :'), 'is written in a way that cannot be edited in place'],
    ['a mark that was edited', POD.replace('name: once', 'name: once\n  annotations: { spillway/injected: yes }'), 'Pod/once: the annotation spillway/injected is not as inject wrote it'],
    ['a container without a name', POD.replace('name: app', 'stdin: true'), 'Pod/once: a container has no name'],
  ])('%s', async (_, text, message) => {
    const { code, out, err } = await run(['-f', '-', '--env'], text);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(message);
    expect(err).not.toMatch(/\n.*\n|Error:|\bat \S+:\d/);
  });

  test('a ConfigMap elsewhere that may not be watched', async () => {
    const { code, err } = await run(['-f', '-', '--configmap', 'a/b', '--no-watch'], POD.replace('name: once', 'name: once\n  namespace: shop'));
    expect({ code, err }).toEqual({ code: 1, err: '-:1:1: Pod/once is in the namespace shop and the ConfigMap in a: it cannot be mounted from there, so it must be watched\n' });
  });

  test('a file that is not there, and a folder', async () => {
    expect(await run(['-f', '/nowhere.yaml'])).toEqual({ code: 1, out: '', err: '/nowhere.yaml: there is no such file\n' });
    expect((await run(['-f', tmpdir()])).err).toContain('cannot be read (EISDIR)');
    const path = join(mkdtempSync(join(tmpdir(), 'spillway-inject-')), 'latin1.yaml');
    writeFileSync(path, Buffer.from(POD.replace('image: x', 'image: \u00e9'), 'latin1'));
    expect(await run(['-f', path])).toEqual({ code: 1, out: '', err: `${path}: not valid UTF-8\n` });
  });
});

describe('usage', () => {
  test('help', async () => {
    expect(await run(['--help'])).toEqual({ code: 0, out: INJECT_HELP, err: '' });
  });

  test.each([[[]], [['-f', '']], [['deploy.yaml']], [['-f', 'x', '--nonsense']], [['-f', 'x', '--configmap', 'a/b/c']], [['-f', 'x', '--configmap', 'Up']], [['-f', 'x', '--configmap', '/b']], [['-f', 'x', '--key-secret', 'a b']], [['-f', 'x', '--image', '']], [['-f', 'x', '--image', 'a b']], [['-f', 'x', '--remove', '--env']]])('%j is wrong', async (args) => {
    await expect(run(args)).rejects.toMatchObject({ name: 'UsageError' });
  });
});

describeWithKubeTools('kubectl reads what comes out', () => {
  const names = (path: string): string[] => printed(kubectl(['label', '--local', '-f', path, '-o', 'name', 'a=b'])).trim().split('\n');

  test.each([
    ['YAML', BEFORE],
    ['JSON', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifestsIn(BEFORE) }).replace('"initContainers":null,', '')],
    ['a byte order mark', `\uFEFF${BEFORE}`],
    ['more than a megabyte', `${BEFORE}---\n# ${'x'.repeat(1_500_000)}\n`],
    ['Windows', BEFORE.replaceAll('\n', '\r\n')],
  ])('%s', async (_, text) => {
    const path = join(mkdtempSync(join(tmpdir(), 'spillway-inject-')), 'manifest');
    const { out } = await run(OPTIONS, text);
    writeFileSync(path, out);
    expect(names(path).toSorted()).toEqual(['configmap/own', 'cronjob.batch/nightly', 'deployment.apps/checkout', 'pod/once', 'role.rbac.authorization.k8s.io/spillway:limits', 'rolebinding.rbac.authorization.k8s.io/spillway:limits:checkout', 'rolebinding.rbac.authorization.k8s.io/spillway:limits:spillway', 'serviceaccount/spillway']);
    expect((await run(['-f', path, '--remove'])).out).toBe(text);
  });
});
