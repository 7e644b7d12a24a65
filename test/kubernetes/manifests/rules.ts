/** What must hold among manifests that are applied together, and in each of them. */
import type { RbacV1Subject, V1PolicyRule } from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';
import { configMapRule, EVENTS_RULE } from '../../../src/kubernetes/inject/access.ts';
import { areUnique, argAfter, podMistakes, podsOf, sidecarOf, type Pod } from './pods.ts';
import { typeMistakes, type Manifest } from './strict.ts';

export function manifestsIn(text: string): Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    const value = document.toJS() as (Manifest & { items?: Manifest[] }) | null;
    return value === null ? [] : value.kind === 'List' ? (value.items ?? []) : [value];
  });
}

/** @param secured false for apps that are not ours */
export async function mistakesIn(manifests: readonly Manifest[], secured = true): Promise<string[]> {
  const types = await Promise.all(manifests.map(typeMistakes));
  // The rules read what the types have made sure of.
  if (types.flat().length > 0) return types.flat();
  const pods = podsOf(manifests);
  return [
    ...manifests.flatMap(nameMistakes),
    ...(areUnique(manifests.map(({ kind, metadata }) => [kind, metadata.namespace, metadata.name].join('/'))) ? [] : ['two objects of one name']),
    ...pods.flatMap((pod) => podMistakes(pod, secured)),
    ...manifests.flatMap((manifest) => selectorMistakes(manifest, pods)),
    ...pods.flatMap((pod) => accessMistakes(pod, manifests)),
    ...manifests.filter(({ kind }) => kind === 'Role').flatMap(roleMistakes),
    ...manifests.filter(({ kind }) => kind === 'RoleBinding').flatMap((binding) => bindingMistakes(binding, manifests)),
  ];
}

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const KEY = /^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?$/;

function nameMistakes({ kind, metadata: { name, namespace, labels = {}, annotations = {} } }: Manifest): string[] {
  const wrong = (holds: boolean, message: string): string[] => (holds ? [] : [`${kind}/${name}: ${message}`]);
  // RBAC's names may hold anything that a path may.
  const named = /^Role(Binding)?$/.test(kind) ? /^[^/%]+$/.test(name) && name !== '.' && name !== '..' : (kind === 'Service' ? LABEL : SUBDOMAIN).test(name);
  return [
    ...wrong(named && name.length <= 253, 'a wrong name'),
    ...wrong(namespace === undefined || LABEL.test(namespace), 'a wrong namespace'),
    ...wrong(Object.entries(labels).every(([key, value]) => KEY.test(key) && VALUE.test(value)), 'a wrong label'),
    ...wrong(Object.keys(annotations).every((key) => KEY.test(key)), 'a wrong annotation'),
  ];
}

function selectorMistakes({ kind, metadata, spec }: Manifest & { spec?: unknown }, pods: readonly Pod[]): string[] {
  const { selector, template, ports = [] } = (spec ?? {}) as { selector?: Record<string, unknown>; template?: unknown; ports?: { targetPort?: unknown; port: number }[] };
  const fits = (wanted: Record<string, unknown>, { labels }: Pod): boolean => Object.entries(wanted).every(([key, value]) => labels[key] === value);
  const wrong = [`${kind}/${metadata.name}: its selector fits no pod of it`];
  if (kind === 'Service') {
    const chosen = pods.filter((pod) => fits(selector ?? {}, pod)).flatMap(({ spec }) => spec.containers).flatMap(({ ports = [] }) => ports);
    return ports.every(({ targetPort, port }) => chosen.some(({ name, containerPort }) => name === targetPort || containerPort === (targetPort ?? port))) ? [] : wrong;
  }
  if (selector === undefined || template === undefined) return [];
  const own = pods.find(({ owner }) => owner.metadata === metadata);
  const labels = (selector['matchLabels'] ?? {}) as Record<string, unknown>;
  return own && Object.keys(labels).length > 0 && fits(labels, own) ? [] : wrong;
}

/** What the sidecar asks of the API server, by its own command line: no more and no less may be granted. */
function accessMistakes(pod: Pod, manifests: readonly Manifest[]): string[] {
  const { kind, metadata } = pod.owner;
  const account = pod.spec.serviceAccountName ?? 'default';
  const granted = (namespace: string | undefined): V1PolicyRule[] => grantedTo(account, metadata.namespace, namespace, manifests);
  const wanted = wantedBy(pod);
  const mistakes: string[] = [];
  if (account === 'spillway' && !manifests.some((one) => one.kind === 'ServiceAccount' && one.metadata.name === account && one.metadata.namespace === metadata.namespace)) mistakes.push(`${kind}/${metadata.name}: there is no ServiceAccount ${account}`);
  for (const { namespace, rule } of wanted) if (!granted(namespace).some((one) => same(one, rule))) mistakes.push(`${kind}/${metadata.name}: its ServiceAccount may not ${JSON.stringify(rule)}`);
  if (account === 'spillway') {
    const all = [...new Set([metadata.namespace, ...wanted.map(({ namespace }) => namespace)])].flatMap((namespace) => granted(namespace).map((rule) => ({ namespace, rule })));
    for (const one of all) if (!podsOf(manifests).flatMap(wantedBy).some((rule) => same(rule, one))) mistakes.push(`${kind}/${metadata.name}: its ServiceAccount needs not ${JSON.stringify(one)}`);
  }
  return mistakes;
}

function wantedBy(pod: Pod): { namespace: string | undefined; rule: V1PolicyRule }[] {
  const { namespace } = pod.owner.metadata;
  const asked = argAfter(sidecarOf(pod), '--watch') ?? argAfter(sidecarOf(pod), '--config');
  const [, where, name] = /^configmap:([^/]+)\/([^/]+)$/.exec(asked ?? '') ?? [];
  if (name === undefined) return [];
  return [
    { namespace: where === '$(POD_NAMESPACE)' ? namespace : where, rule: configMapRule(name) },
    { namespace, rule: EVENTS_RULE },
  ];
}

function grantedTo(account: string, accountNamespace: string | undefined, namespace: string | undefined, manifests: readonly Manifest[]): V1PolicyRule[] {
  const bindings = manifests.filter(({ kind, metadata }) => kind === 'RoleBinding' && metadata.namespace === namespace) as (Manifest & { subjects: RbacV1Subject[]; roleRef: { name: string } })[];
  return bindings
    .filter(({ subjects }) => subjects.some((subject) => subject.name === account && (subject.namespace ?? namespace) === accountNamespace))
    .flatMap(({ roleRef }) => manifests.filter(({ kind, metadata }) => kind === 'Role' && metadata.namespace === namespace && metadata.name === roleRef.name))
    .flatMap((role) => (role as unknown as { rules: V1PolicyRule[] }).rules);
}

/** One named ConfigMap to read, Events to create. */
function roleMistakes(role: Manifest): string[] {
  const rules = (role as unknown as { rules: V1PolicyRule[] }).rules;
  return rules.every((rule) => same(rule, EVENTS_RULE) || (rule.resourceNames?.length === 1 && same(rule, configMapRule(rule.resourceNames[0]!)))) ? [] : [`Role/${role.metadata.name} grants more than the sidecar asks`];
}

function bindingMistakes(binding: Manifest, manifests: readonly Manifest[]): string[] {
  const { roleRef } = binding as unknown as { roleRef: { kind: string; name: string } };
  const there = manifests.some(({ kind, metadata }) => kind === roleRef.kind && metadata.name === roleRef.name && metadata.namespace === binding.metadata.namespace);
  return there ? [] : [`RoleBinding/${binding.metadata.name} binds a Role that is not there`];
}

/** Whatever the order of the keys. */
function same(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort()) : inner));
}
