/** What deploy/ has: as it would be generated, right field by field, and readable for kubectl. */
import { describe, expect, test } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { kubernetesFiles, STANDARD } from '../../../scripts/kubernetes-files.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { configMapRule } from '../../../src/kubernetes/inject/access.ts';
import { sidecarContainer, sidecarVolumes } from '../../../src/kubernetes/inject/container.ts';
import { describeWithKubeTools, kubectl, printed } from '../../support/kube-tools.ts';
import { podsOf, sidecarOf } from './pods.ts';
import { manifestsIn, mistakesIn } from './rules.ts';

const REPO = join(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(REPO, path), 'utf8');
const examples = globSync('deploy/examples/*.yaml', { cwd: REPO }).toSorted();

test.each(kubernetesFiles())('$path is as it is generated', ({ path, text }) => {
  expect(read(path)).toBe(text);
});

describe('deploy/examples', () => {
  test.each(examples)('%s is right', async (path) => {
    expect(await mistakesIn(manifestsIn(read(path)))).toEqual([]);
  });

  test('there is one of each, and what they name is there', () => {
    const all = examples.flatMap((path) => manifestsIn(read(path)));
    expect([...new Set(all.map(({ kind }) => kind))].toSorted()).toEqual(['ConfigMap', 'CronJob', 'Deployment', 'Job', 'Role', 'RoleBinding', 'Secret', 'Service', 'ServiceAccount']);
    const names = (kind: string): string[] => all.filter((one) => one.kind === kind).map(({ metadata }) => metadata.name);
    const volumes = podsOf(all).flatMap(({ spec }) => spec.volumes ?? []);
    expect(names('ConfigMap')).toEqual(volumes.flatMap(({ configMap }) => configMap?.name ?? []).filter((name, i, all) => all.indexOf(name) === i));
    expect(names('Secret')).toEqual(STANDARD.secrets);
  });

  test('the configuration is valid, the same in each way, and every reference is a key of the Secret', () => {
    const text = read('deploy/examples/kustomize/spillway.yaml');
    const loaded = parseConfig(read('deploy/examples/config.yaml'), 'config.yaml');
    expect(loaded).toMatchObject({ ok: true, inactive: [] });
    expect((parse(read('deploy/examples/config.yaml')) as { data: object }).data).toEqual({ 'spillway.yaml': text });
    expect((parse(read('deploy/examples/helm/values.yaml')) as { config: object }).config).toEqual(parse(text));
    const keys = Object.keys((parse(read('deploy/examples/secret.yaml')) as { stringData: object }).stringData);
    const named = [...text.matchAll(/env: (\w+)|\/var\/run\/secrets\/spillway\/(\w+)/g)].map(([, variable, file]) => variable ?? file!);
    expect([...new Set(named)].toSorted()).toEqual(keys.toSorted());
    expect(parse(read('deploy/examples/secret.yaml'))).toHaveProperty('stringData.REDIS_URL', 'redis://valkey:6379');
  });

  test('the apps ask for groups that there are, at the address that they are given', () => {
    const { groups } = parse(read('deploy/examples/kustomize/spillway.yaml')) as { groups: object };
    const scripts = ['deployment.yaml', 'job.yaml', 'cronjob.yaml', 'kustomize/app.yaml'].map((name) => read(`deploy/examples/${name}`));
    for (const script of scripts) {
      expect(Object.keys(groups)).toContain(/"model": "([^"]+)"/.exec(script)![1]);
      expect(script).toMatch(/(\$OPENAI_BASE_URL|http:\/\/localhost:4000\/v1)\/chat\/completions/);
    }
  });
});

test('the Role is the one that the watch names when it is refused', async () => {
  const { roleFor } = await import('../../../src/kubernetes/config-map.ts');
  expect(parse(roleFor('shop', 'limits'))).toMatchObject({ rules: [configMapRule('limits')] });
});

test('the container is what the image is', () => {
  const dockerfile = read('Dockerfile');
  const { args, securityContext } = sidecarContainer(STANDARD);
  expect(`${securityContext!.runAsUser}:${securityContext!.runAsGroup}`).toBe(/^USER (\S+)$/m.exec(dockerfile)![1]);
  expect(args).toContain(/SPILLWAY_CONFIG=(\S+)/.exec(dockerfile)![1]);
  expect(parse(read('helm/spillway/Chart.yaml'))).toMatchObject({ appVersion: STANDARD.image.split(':')[1] });
});

describeWithKubeTools('kubectl', () => {
  const built = (...args: string[]) => manifestsIn(printed(kubectl(args)));

  test.each(examples)('reads %s', (path) => {
    const names = printed(kubectl(['label', '--local', '-f', join(REPO, path), '-o', 'name', 'a=b'])).trim().split('\n');
    expect(names).toHaveLength(manifestsIn(read(path)).length);
  });

  test('kustomize: the example is right, and has the same container as the other ways', async () => {
    const manifests = built('kustomize', join(REPO, 'deploy/examples/kustomize'));
    expect(await mistakesIn(manifests)).toEqual([]);
    const [pod] = podsOf(manifests);
    expect(sidecarOf(pod!)).toEqual(sidecarContainer(STANDARD));
    expect(pod!.spec.volumes).toEqual(sidecarVolumes(STANDARD));
    expect(manifests.find(({ kind }) => kind === 'ConfigMap')).toMatchObject({ metadata: { name: 'spillway' }, data: { 'spillway.yaml': read('deploy/examples/kustomize/spillway.yaml') } });
  });

  test('kustomize: every kind, first among what is there; not where it is not wanted', async () => {
    const manifests = built('kustomize', join(import.meta.dirname, 'kinds'));
    expect(await mistakesIn(manifests, false)).toEqual([]);
    const pods = podsOf(manifests);
    expect(pods.map(({ owner }) => owner.kind).toSorted()).toEqual(['CronJob', 'DaemonSet', 'Deployment', 'Job', 'Pod', 'ReplicaSet', 'StatefulSet']);
    for (const pod of pods) {
      const wanted = pod.owner.metadata.labels?.['spillway/inject'] !== 'false';
      expect({ kind: pod.owner.kind, sidecar: sidecarOf(pod) }).toEqual({ kind: pod.owner.kind, sidecar: wanted ? { ...sidecarContainer(STANDARD), image: 'registry.example.com/spillway:2' } : undefined });
      if (wanted) expect(pod.spec.initContainers![0]!.name).toBe('spillway');
      expect(pod.spec.initContainers?.at(-1)?.name).toBe('own');
      expect(pod.spec.volumes?.at(-1)?.name).toBe('own');
    }
    // As kustomization.yaml says how: the workload's own ServiceAccount beside the namespace's.
    expect(manifests.find(({ kind }) => kind === 'RoleBinding')).toMatchObject({ subjects: [{ name: 'default', namespace: 'shop' }, { name: 'own' }] });
  });
});
