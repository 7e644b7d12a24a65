/** The checks that the other suites here rest on: each finds what it is for. */
import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { manifestsIn, mistakesIn } from './rules.ts';
import { typeMistakes } from './strict.ts';

const EXAMPLE = readFileSync(join(import.meta.dirname, '../../../deploy/examples/deployment.yaml'), 'utf8');

test.each([
  ['a misspelt field', 'periodSeconds: 1', 'periodSecond: 1', 'Deployment.spec.template.spec.initContainers[0].startupProbe.periodSecond is unknown'],
  ['a wrong type', 'periodSeconds: 1', 'periodSeconds: "1"', 'expected number'],
  ['a missing field', 'path: token\n', 'audience: token\n', 'path is required'],
  ['a list that is none', 'containers:\n        - name: app', 'containers:\n          name: app', 'expected a list'],
  ['a port that does not exist', 'port: spillway-admin', 'port: admin', "a probe's port does not exist"],
  ['a volume that does not exist', '- name: spillway-token\n          projected', '- name: spillway-tok\n          projected', 'the mount spillway-token has no volume'],
  ['a selector that fits nothing', 'matchLabels: { app.kubernetes.io/name: checkout }', 'matchLabels: { app: checkout }', 'its selector fits no pod of it'],
  ['a container that may write', 'readOnlyRootFilesystem: true', 'readOnlyRootFilesystem: false', 'spillway is not restricted'],
  ['a right too few', '      - watch\n', '', 'may not {'],
  ['a right too many', '      - create\n', '      - create\n      - delete\n', 'grants more than the sidecar asks'],
  ['another ConfigMap', 'configmap:$(POD_NAMESPACE)/spillway', 'configmap:$(POD_NAMESPACE)/other', 'may not {'],
  ['a variable that is not set', '- name: POD_NAMESPACE', '- name: POD_SPACE', '$(POD_NAMESPACE) is not set'],
  ['a grace that is too long', '- 55s', '- 60s', 'the grace is longer than the pod has'],
  ['a binding to nothing', 'kind: Role\n  name: spillway\n', 'kind: Role\n  name: spill\n', 'binds a Role that is not there'],
  ['a wrong label', 'labels: { app.kubernetes.io/name: checkout }\nspec', 'labels: { app.kubernetes.io/name: "check out" }\nspec', 'a wrong label'],
  ['a quantity', 'memory: 128Mi', 'memory: 128MB', '128MB is no quantity'],
  ['an object twice', '$', `\n---\n${EXAMPLE.slice(EXAMPLE.lastIndexOf('apiVersion: rbac'))}`, 'two objects of one name'],
])('%s is found', async (_, from, to, message) => {
  expect(await mistakesIn(manifestsIn(EXAMPLE))).toEqual([]);
  const changed = from === '$' ? EXAMPLE + to : EXAMPLE.replace(from, to);
  expect(changed).not.toBe(EXAMPLE);
  expect((await mistakesIn(manifestsIn(changed))).join('\n')).toContain(message);
});

test('a kind that we do not know is no silent pass', async () => {
  expect(await typeMistakes({ apiVersion: 'apps/v1', kind: 'Deploymint', metadata: { name: 'x' } })).toEqual(['apps/v1 Deploymint: not a kind of ours']);
});
