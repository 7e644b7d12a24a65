/** What `npm run generate` writes for Kubernetes: the kustomize component from the one container, the chart's schema from ours. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { VERSION } from '../src/commands/version.ts';
import { publishedSchema } from '../src/config/json-schema.ts';
import { configMapRule, EVENTS_RULE } from '../src/kubernetes/inject/access.ts';
import { KEY_SECRET, NAME, sidecarContainer, sidecarVolumes, STANDARD_GRACE, type Sidecar } from '../src/kubernetes/inject/container.ts';
import { inject } from '../src/kubernetes/inject/inject.ts';
import { chartSchema } from './chart-schema.ts';

const COMPONENT = 'deploy/kustomize/components/spillway';
/** As `spillway inject --env` leaves them. */
const INJECTED = ['deployment', 'job', 'cronjob'].map((name) => `deploy/examples/${name}.yaml`);
const HEAD = '# Written by `npm run generate` from src/kubernetes/inject. Change it there.\n';

/** What all three ways give if nothing else is asked for. */
export const STANDARD: Sidecar = {
  image: `spillway:${VERSION}`,
  source: { kind: 'mounted', name: NAME, watch: true },
  secrets: [KEY_SECRET],
  graceSeconds: STANDARD_GRACE,
};

export function kubernetesFiles(): { path: string; text: string }[] {
  const spec = { initContainers: [sidecarContainer(STANDARD)], volumes: sidecarVolumes(STANDARD) };
  const template = { spec: { template: { spec } } };
  // The name is a form to fill: each patch has a target of its own in kustomization.yaml.
  const metadata = { name: 'any' };
  const files = {
    'sidecar.yaml': [{ apiVersion: 'apps/v1', kind: 'Deployment', metadata, ...template }],
    'sidecar-cronjob.yaml': [{ apiVersion: 'batch/v1', kind: 'CronJob', metadata, spec: { jobTemplate: template } }],
    'sidecar-pod.yaml': [{ apiVersion: 'v1', kind: 'Pod', metadata, spec }],
    'access.yaml': access(),
  };
  const component = Object.entries(files).map(([name, objects]) => ({
    path: `${COMPONENT}/${name}`,
    text: HEAD + objects.map((object) => stringify(object, { lineWidth: 0 })).join('---\n'),
  }));
  return [...component, ...INJECTED.map(injected), { path: 'helm/spillway/values.schema.json', text: `${JSON.stringify(chartSchema(publishedSchema()), null, 2)}\n` }];
}

function injected(path: string): { path: string; text: string } {
  const wanted = { image: STANDARD.image, configMap: { namespace: undefined, name: NAME }, watch: true, secrets: STANDARD.secrets, env: true };
  const outcome = inject(readFileSync(join(import.meta.dirname, '..', path), 'utf8'), wanted);
  if (!outcome.ok) throw new Error(`${path}: ${outcome.problems[0]!.message}`);
  return { path, text: outcome.text };
}

function access(): object[] {
  const metadata = { name: NAME, labels: { 'app.kubernetes.io/name': NAME } };
  return [
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules: [configMapRule(NAME), EVENTS_RULE] },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: NAME },
      subjects: [{ kind: 'ServiceAccount', name: 'default' }],
    },
  ];
}
