/** helm/spillway with the real Helm: each option, what it refuses, and its templates inside somebody else's chart. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { parseConfig } from '../../../src/config/load.ts';
import { looksLikeSecret } from '../../../src/config/looks-like-secret.ts';
import { sidecarContainer, sidecarVolumes, type Sidecar } from '../../../src/kubernetes/inject/container.ts';
import { STANDARD } from '../../../scripts/kubernetes-files.ts';
import { describeWithKubeTools, helm, printed, type Ran } from '../../support/kube-tools.ts';
import { podsOf, sidecarOf } from './pods.ts';
import { manifestsIn, mistakesIn } from './rules.ts';
import type { Manifest } from './strict.ts';

const REPO = join(import.meta.dirname, '../../..');
const CHART = join(REPO, 'helm/spillway');
const VALUES = join(REPO, 'deploy/examples/helm/values.yaml');
const { config } = parse(readFileSync(VALUES, 'utf8')) as { config: { models: Record<string, object>; groups: object } };

const template = (values: object, ...args: string[]): Ran => helm(['template', 'limits', CHART, '--namespace', 'shop', '-f', '-', ...args], stringify(values));
const rendered = (values: object, ...args: string[]): Manifest[] => manifestsIn(printed(template(values, ...args)));
const kinds = (manifests: readonly Manifest[]): string[] => manifests.map(({ kind }) => kind).toSorted();

describeWithKubeTools('the chart', () => {
  test.each([[[]], [['-f', VALUES]]])('helm lint --strict %s', (args) => {
    expect(helm(['lint', '--strict', CHART, ...args])).toMatchObject({ code: 0, out: expect.stringContaining('0 chart(s) failed') });
  });

  test.each<[string, object, string[]]>([
    ['nothing', {}, ['Role', 'RoleBinding']],
    ['a configuration', { config }, ['ConfigMap', 'Pod', 'Role', 'RoleBinding']],
    ['a name', { config, configMap: { name: 'llm.limits' } }, ['ConfigMap', 'Pod', 'Role', 'RoleBinding']],
    ['no watch', { config, watch: false }, ['ConfigMap', 'Pod']],
    ['nobody bound', { serviceAccounts: [] }, []],
    ['several accounts', { serviceAccounts: ['a', 'b'] }, ['Role', 'RoleBinding']],
    ['an image', { config, image: { repository: 'r.example.com/s', digest: `sha256:${'0'.repeat(64)}`, pullPolicy: 'Always' } }, ['ConfigMap', 'Pod', 'Role', 'RoleBinding']],
    ['any user', { config, user: null }, ['ConfigMap', 'Pod', 'Role', 'RoleBinding']],
    ['monitoring', { podMonitor: { enabled: true, labels: { release: 'p' }, podLabels: { app: 'x' } }, prometheusRule: { enabled: true, labels: { release: 'p' } } }, ['PodMonitor', 'PrometheusRule', 'Role', 'RoleBinding']],
    ['a policy', { networkPolicy: { enabled: true, podLabels: { app: 'x' }, redisPort: 6380, egress: [{ ports: [{ port: 8000 }] }] } }, ['NetworkPolicy', 'Role', 'RoleBinding']],
    ['a policy without a watch', { watch: false, networkPolicy: { enabled: true, podLabels: { app: 'x' } } }, ['NetworkPolicy']],
  ])('with %s', async (_, values, expected) => {
    const manifests = rendered(values);
    expect(kinds(manifests)).toEqual(expected);
    expect(await mistakesIn(manifests)).toEqual([]);
    for (const { metadata } of manifests) expect(metadata).toMatchObject({ namespace: 'shop', labels: { 'app.kubernetes.io/instance': 'limits' } });
  });

  test('the options arrive', () => {
    const find = (values: object, kind: string): Manifest => rendered(values).find((one) => one.kind === kind)!;
    expect(find({ configMap: { name: 'own' } }, 'Role')).toMatchObject({ rules: [{ resourceNames: ['own'] }, {}] });
    expect(find({ serviceAccounts: ['a', 'b'] }, 'RoleBinding')).toMatchObject({ subjects: [{ name: 'a', namespace: 'shop' }, { name: 'b', namespace: 'shop' }] });
    expect(find({ podMonitor: { enabled: true } }, 'PodMonitor')).toMatchObject({ spec: { selector: {}, podMetricsEndpoints: [{ port: sidecarContainer(STANDARD).ports![0]!.name }] } });
    expect(find({ podMonitor: { enabled: true, labels: { release: 'p' }, podLabels: { app: 'x' } } }, 'PodMonitor')).toMatchObject({ metadata: { labels: { release: 'p' } }, spec: { selector: { matchLabels: { app: 'x' } } } });
    const ports = (values: object): unknown[] => (find(values, 'NetworkPolicy') as unknown as { spec: { egress: { ports: { port: number }[] }[] } }).spec.egress.flatMap(({ ports }) => ports.map(({ port }) => port));
    expect(ports({ networkPolicy: { enabled: true, podLabels: { a: 'b' } } })).toEqual([53, 53, 443, 6443, 6379]);
    expect(ports({ watch: false, networkPolicy: { enabled: true, podLabels: { a: 'b' }, redisPort: 1, egress: [{ ports: [{ port: 2 }] }] } })).toEqual([53, 53, 443, 1, 2]);
  });

  test('the configuration in the ConfigMap is the one that was given, large numbers too', () => {
    const map = rendered({ config }).find(({ kind }) => kind === 'ConfigMap') as unknown as { data: Record<string, string> };
    expect(parseConfig(map.data['spillway.yaml']!, 'spillway.yaml')).toMatchObject({ ok: true, inactive: [] });
    expect(parse(map.data['spillway.yaml']!)).toEqual(config);
    expect(map.data['spillway.yaml']).toContain('tokensPerMinute: 3600000');
  });

  test('alerts are about metrics that there are', () => {
    const rule = printed(template({ prometheusRule: { enabled: true } }));
    const source = ['src/telemetry/instruments.ts', 'src/server/status.ts'].map((path) => readFileSync(join(REPO, path), 'utf8')).join('');
    const metrics = [...rule.matchAll(/expr: .*?(spillway_\w+)/g)].map(([, name]) => name!);
    expect(metrics).toHaveLength(5);
    for (const name of metrics) expect(source).toContain(`'${name}'`);
    expect(rule).toContain('{{ $labels.pod }}');
  });

  const withModel = (change: object): object => ({ config: { ...config, models: { ...config.models, more: { provider: 'openai', model: 'x', ...change } } } });

  test.each<[string, object, string]>([
    ['an inline key', withModel({ apiKey: 'sk-abcdefghijklmnop' }), '/config/models/more/apiKey'],
    ['a misspelt limit', withModel({ limits: { requestsPerMinut: 1 } }), "'requestsPerMinut' not allowed"],
    ['an unknown provider', withModel({ provider: 'nobody' }), '/config/models/more/provider'],
    ['a configuration without groups', { config: { models: config.models } }, "missing property 'groups'"],
    ['an inline password of Redis', { config: { ...config, redis: { host: 'h', password: 'p' } } }, '/config/redis/password'],
    ['a password in an address', { config: { ...config, redis: { url: 'redis://u:p@h:6379' } } }, 'looks like a secret'],
    ['a misspelt value', { podMonitors: {} }, "'podMonitors' not allowed"],
    ['a wrong digest', { image: { digest: 'latest' } }, '/image/digest'],
    ['a policy for all pods', { networkPolicy: { enabled: true } }, 'which pods?'],
  ])('%s is refused', (_, values, message) => {
    const { code, out, err } = template(values);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(message);
    expect(err).not.toContain('sk-abcdefghijklmnop');
  });

  test.each(['sk-abcdefghijkl', 'AKIAABCDEFGHIJKLMNOP', 'ABSKabcdefghijklmnop', `AIza${'a'.repeat(30)}`, `ghp_${'a'.repeat(20)}`, `hf-${'a'.repeat(20)}`, '-----BEGIN EC PRIVATE KEY-----'])('a pasted secret is refused wherever it stands, as validate does: %s', (secret) => {
    expect(looksLikeSecret(secret)).toBe(true);
    expect(template(withModel({ headers: { 'x-own': secret } })).err).toContain('looks like a secret');
  });

  test('a cluster that is too old for sidecars', () => {
    expect(template({}, '--kube-version', '1.28.0').err).toContain('kubeVersion');
    expect(template({}, '--kube-version', '1.29.0').code).toBe(0);
  });

  test('the notes have the next three commands', () => {
    const notes = (values: object): string => printed(helm(['install', 'limits', CHART, '--dry-run=client', '-n', 'shop', '-f', '-'], stringify(values))).split('NOTES:')[1]!;
    const text = notes({ config });
    expect(text).toContain('The configuration is in the ConfigMap limits-spillway.');
    for (const command of ['kubectl -n shop create secret generic spillway-keys', 'spillway inject -f deployment.yaml --configmap shop/limits-spillway --env | kubectl -n shop apply -f -', 'kubectl -n shop edit configmap limits-spillway']) expect(text).toContain(command);
    expect(notes({ secrets: [], watch: false })).toMatch(/must hold one under spillway\.yaml[\s\S]*No Secret is named[\s\S]*about a minute/);
  });
});

/** A user's own chart, with ours among its dependencies. */
describeWithKubeTools('in another chart', () => {
  let parent = '';
  beforeAll(() => {
    parent = mkdtempSync(join(tmpdir(), 'spillway-chart-'));
    const under = (path: string, text: string): void => {
      mkdirSync(join(parent, path, '..'), { recursive: true });
      writeFileSync(join(parent, path), text);
    };
    under('Chart.yaml', stringify({ apiVersion: 'v2', name: 'shop', version: '1.0.0', dependencies: [{ name: 'spillway', version: '*', condition: 'spillway.enabled' }] }));
    cpSync(CHART, join(parent, 'charts/spillway'), { recursive: true });
    under('templates/deployment.yaml', DEPLOYMENT);
  });
  afterAll(() => rmSync(parent, { recursive: true, force: true }));

  const inParent = (values: object, release = 'limits'): Ran => helm(['template', release, parent, '--namespace', 'shop', '-f', '-'], stringify({ spillway: values }));
  const base: Sidecar = { ...STANDARD, source: { kind: 'mounted', name: 'limits-spillway', watch: true } };

  test.each<[string, object, Partial<Sidecar>]>([
    ['as it is', {}, {}],
    ['with another ConfigMap', { configMap: { name: 'own' } }, { source: { kind: 'mounted', name: 'own', watch: true } }],
    ['without a watch', { watch: false }, { source: { kind: 'mounted', name: 'limits-spillway', watch: false } }],
    ['with two Secrets', { secrets: ['a', 'b'] }, { secrets: ['a', 'b'] }],
    ['without a Secret', { secrets: [] }, { secrets: [] }],
    ['with another image', { image: { repository: 'r.example.com/s', tag: '9' } }, { image: 'r.example.com/s:9' }],
    ['with a digest', { image: { digest: `sha256:${'0'.repeat(64)}` } }, { image: `spillway@sha256:${'0'.repeat(64)}` }],
    ['with a long grace', { graceSeconds: 28 }, { graceSeconds: 28 }],
  ])('the container is the same as the other ways give: %s', async (_, values, options) => {
    const manifests = manifestsIn(printed(inParent({ ...values, config })));
    expect(await mistakesIn(manifests, false)).toEqual([]);
    const pod = podsOf(manifests).find(({ owner }) => owner.kind === 'Deployment')!;
    expect(sidecarOf(pod)).toEqual(sidecarContainer({ ...base, ...options }));
    expect(pod.spec.volumes).toEqual(sidecarVolumes({ ...base, ...options }));
  });

  test("the release's name, the user, the resources, and the SDKs", () => {
    const pod = (values: object, release?: string) => podsOf(manifestsIn(printed(inParent(values, release)))).find(({ owner }) => owner.kind === 'Deployment')!;
    expect(sidecarOf(pod({}, 'spillway'))!.args).toContain('configmap:$(POD_NAMESPACE)/spillway');
    expect(sidecarOf(pod({ user: null }))!.securityContext).not.toHaveProperty('runAsUser');
    const resources = { requests: { cpu: '200m', memory: '256Mi' }, limits: { cpu: '200m', memory: '256Mi' } };
    expect(sidecarOf(pod({ resources }))!.resources).toEqual(resources);
    expect(pod({}).spec.containers[0]!.env).toContainEqual({ name: 'OPENAI_BASE_URL', value: 'http://localhost:4000/v1' });
  });

  test('under an alias', () => {
    const chart = join(parent, 'Chart.yaml');
    const deployment = join(parent, 'templates/deployment.yaml');
    writeFileSync(chart, readFileSync(chart, 'utf8').replace('condition: spillway.enabled', 'alias: llm'));
    const args = ['template', 'limits', parent, '--set', 'llm.graceSeconds=20'];
    expect(helm(args).err).toContain('.Subcharts.ALIAS');
    writeFileSync(deployment, DEPLOYMENT.replaceAll('" . |', '" .Subcharts.llm |'));
    expect(sidecarOf(podsOf(manifestsIn(printed(helm(args))))[0]!)).toEqual(sidecarContainer({ ...base, graceSeconds: 20 }));
  });
});

const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout
  namespace: {{ .Release.Namespace }}
spec:
  selector:
    matchLabels: { app: checkout }
  template:
    metadata:
      labels: { app: checkout }
    spec:
      initContainers:
        - {{- include "spillway.container" . | nindent 10 }}
      containers:
        - name: app
          image: x
          resources: { requests: { memory: 1Mi }, limits: { memory: 1Mi } }
          env:
            {{- include "spillway.env" . | nindent 12 }}
      volumes:
        {{- include "spillway.volumes" . | nindent 8 }}
`;
