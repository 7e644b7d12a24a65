/**
 * A manifest against Kubernetes' own types, field by field, as `kubectl apply --validate=strict` would with a server. The client
 * library has the fields and their types in its classes, and in its declarations which of them are required.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

export type Manifest = Readonly<Record<string, unknown>> & { readonly apiVersion: string; readonly kind: string; readonly metadata: Metadata };
export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Field {
  readonly type: string;
  readonly required: boolean;
}
type Fields = ReadonlyMap<string, Field>;

const MODELS = join(dirname(createRequire(import.meta.url).resolve('@kubernetes/client-node')), 'gen/models');

/** Of the Prometheus operator: those fields that we use, by its API reference (v1). */
const OTHERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  PodMonitor: { apiVersion: 'string', kind: 'string', metadata: 'V1ObjectMeta', 'spec!': 'PodMonitorSpec' },
  PodMonitorSpec: { 'selector!': 'V1LabelSelector', 'podMetricsEndpoints!': 'Array<PodMetricsEndpoint>' },
  PodMetricsEndpoint: { port: 'string', path: 'string', interval: 'string' },
  PrometheusRule: { apiVersion: 'string', kind: 'string', metadata: 'V1ObjectMeta', 'spec!': 'PrometheusRuleSpec' },
  PrometheusRuleSpec: { groups: 'Array<RuleGroup>' },
  RuleGroup: { 'name!': 'string', rules: 'Array<Rule>' },
  Rule: { alert: 'string', 'expr!': 'string', for: 'string', labels: '{ [key: string]: string; }', annotations: '{ [key: string]: string; }' },
};

const VERSIONS: Readonly<Record<string, readonly string[]>> = {
  v1: ['ConfigMap', 'Secret', 'Service', 'ServiceAccount', 'Pod'],
  'apps/v1': ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet'],
  'batch/v1': ['Job', 'CronJob'],
  'rbac.authorization.k8s.io/v1': ['Role', 'RoleBinding'],
  'networking.k8s.io/v1': ['NetworkPolicy'],
  'monitoring.coreos.com/v1': ['PodMonitor', 'PrometheusRule'],
};

const known = new Map<string, Fields>();

/** @returns every mistake with its path */
export async function typeMistakes(manifest: unknown): Promise<string[]> {
  const { apiVersion, kind } = manifest as Manifest;
  if (!VERSIONS[apiVersion]?.includes(kind)) return [`${apiVersion} ${kind}: not a kind of ours`];
  return walk(manifest, kind in OTHERS ? kind : `V1${kind}`, kind);
}

async function walk(value: unknown, type: string, path: string): Promise<string[]> {
  const list = /^Array<(.*)>$/.exec(type)?.[1];
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type)?.[1];
  if (list !== undefined) return Array.isArray(value) ? inAll(value.map((item, i) => [item, list, `${path}[${i}]`])) : [`${path}: expected a list`];
  if (isScalarType(type)) return isScalarOf(value, type) ? [] : [`${path}: expected ${type}, found ${JSON.stringify(value)}`];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${path}: expected a mapping`];
  const entries = Object.entries(value);
  if (map !== undefined) return inAll(entries.map(([key, inner]) => [inner, map, `${path}.${key}`]));
  const fields = await fieldsOf(type);
  const missing = [...fields].filter(([name, { required }]) => required && !(name in value)).map(([name]) => `${path}.${name} is required`);
  const unknown = entries.filter(([key]) => !fields.has(key)).map(([key]) => `${path}.${key} is unknown`);
  const inner = await inAll(entries.flatMap(([key, one]) => (fields.has(key) ? [[one, fields.get(key)!.type, `${path}.${key}`] as const] : [])));
  return [...missing, ...unknown, ...inner];
}

async function inAll(parts: readonly (readonly [unknown, string, string])[]): Promise<string[]> {
  return (await Promise.all(parts.map(([value, type, path]) => walk(value, type, path)))).flat();
}

const SCALARS = new Set(['string', 'number', 'boolean', 'any', 'object', 'IntOrString', 'Date', 'V1MicroTime']);

function isScalarType(type: string): boolean {
  return SCALARS.has(type);
}

function isScalarOf(value: unknown, type: string): boolean {
  if (type === 'any') return true;
  if (type === 'IntOrString') return typeof value === 'string' || Number.isInteger(value);
  if (type === 'number') return Number.isInteger(value);
  return typeof value === (type === 'Date' || type === 'V1MicroTime' ? 'string' : type);
}

async function fieldsOf(type: string): Promise<Fields> {
  const there = known.get(type);
  if (there) return there;
  const other = OTHERS[type];
  const fields = other ? new Map(Object.entries(other).map(([name, of]) => [name.replace('!', ''), { type: of, required: name.endsWith('!') }])) : await ofLibrary(type);
  known.set(type, fields);
  return fields;
}

interface Attribute {
  readonly name: string;
  readonly baseName: string;
  readonly type: string;
}

async function ofLibrary(type: string): Promise<Fields> {
  const module = (await import(pathToFileURL(join(MODELS, `${type}.js`)).href)) as Record<string, { getAttributeTypeMap(): Attribute[] }>;
  const declared = readFileSync(join(MODELS, `${type}.d.ts`), 'utf8');
  const required = new Set([...declared.matchAll(/^ {4}'(\w+)': /gm)].map(([, name]) => name));
  return new Map(module[type]!.getAttributeTypeMap().map(({ name, baseName, type }) => [baseName, { type, required: required.has(name) }]));
}
