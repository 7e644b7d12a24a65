/** Which ConfigMap and which of its keys, and what the API server's object holds. */
import { field, isRecord, stringField } from '../wire/record.ts';

/** The key of a ConfigMap that holds the configuration. */
export const CONFIG_KEY = 'spillway.yaml';

export interface ConfigMapName {
  /** Absent: the pod's own, or the kubeconfig's. */
  readonly namespace: string | undefined;
  readonly name: string;
  readonly key: string;
}

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const KEY = /^[-._a-zA-Z0-9]{1,253}$/;

/** `configmap:NAMESPACE/NAME[/KEY]`; in a pod the namespace may be left out: `configmap:NAME` or `configmap:/NAME/KEY`. */
export function parseConfigMapName(text: string): ConfigMapName | undefined {
  if (!text.startsWith('configmap:')) return undefined;
  const parts = text.slice('configmap:'.length).split('/');
  const [namespace, name, key = CONFIG_KEY, ...more] = parts.length === 1 ? ['', ...parts] : parts;
  if (more.length > 0 || name === undefined || !SUBDOMAIN.test(name) || !KEY.test(key)) return undefined;
  if (namespace !== '' && !LABEL.test(namespace!)) return undefined;
  return { namespace: namespace === '' ? undefined : namespace!, name, key };
}

export function resourceVersionOf(object: unknown): string | undefined {
  return stringField(field(object, 'metadata'), 'resourceVersion');
}

export function nameOf(object: unknown): string | undefined {
  return stringField(field(object, 'metadata'), 'name');
}

export type Content = { readonly text: string } | { readonly mistake: string };

export function contentOf(object: unknown, { name, key }: ConfigMapName): Content {
  const data = field(object, 'data');
  const text = stringField(data, key);
  if (text !== undefined) return { text };
  if (field(field(object, 'binaryData'), key) !== undefined) return { mistake: `${key} of the ConfigMap ${name} is not text: the file is not valid UTF-8` };
  const keys = isRecord(data) ? Object.keys(data) : [];
  return { mistake: `the ConfigMap ${name} has no key ${key}; it has ${keys.join(', ') || 'none'}` };
}

/** What the watch needs. A resource name allows list and watch because the requests carry a field selector of that name. */
export function roleFor(namespace: string, name: string): string {
  return `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: spillway, namespace: ${namespace}}
rules:
  - {apiGroups: [""], resources: [configmaps], resourceNames: [${name}], verbs: [get, list, watch]}`;
}
