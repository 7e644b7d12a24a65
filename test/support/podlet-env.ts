/** What the kubelet puts into a container's environment and arguments: references, the pod's own fields, $(VAR). */
import type { V1Container, V1EnvVar } from '@kubernetes/client-node';

/** Of the ConfigMaps and Secrets in the pod's namespace, by name. */
export interface Objects {
  readonly configMaps: Record<string, Readonly<Record<string, string>>>;
  readonly secrets: Record<string, Readonly<Record<string, string>>>;
}

export interface Identity {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
}

type Values = Readonly<Record<string, string>>;

/** In the kubelet's words. */
export function objectNamed(objects: Objects, kind: 'configMap' | 'secret', name: string | undefined, optional = false): Values | undefined {
  const found = (kind === 'secret' ? objects.secrets : objects.configMaps)[name ?? ''];
  if (found === undefined && !optional) throw new Error(`${kind.toLowerCase()} "${name}" not found`);
  return found;
}

export function fieldOf({ name, namespace, uid, labels }: Identity, path: string): string {
  const label = /^metadata\.labels\['([^']+)'\]$/.exec(path)?.[1];
  // A label that is not there is an empty text.
  if (label !== undefined) return labels[label] ?? '';
  const fields: Values = { 'metadata.name': name, 'metadata.namespace': namespace, 'metadata.uid': uid };
  if (!Object.hasOwn(fields, path)) throw new Error(`the podlet knows no field ${path}`);
  return fields[path]!;
}

/** `$(NAME)` of what is set, `$$` for a dollar; a name that is not set stays as it is written. */
export function expand(text: string, values: Values): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (all, name?: string) => {
    if (name === undefined) return '$';
    return Object.hasOwn(values, name) ? values[name]! : all;
  });
}

/** `envFrom` first, then `env` in its order: each sees those before it. `given` is what every container of a pod gets. */
export function environmentOf(container: V1Container, objects: Objects, pod: Identity, given: Values): Record<string, string> {
  const all: Record<string, string> = { ...given };
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const values = secretRef
      ? objectNamed(objects, 'secret', secretRef.name, secretRef.optional)
      : objectNamed(objects, 'configMap', configMapRef?.name, configMapRef?.optional);
    for (const [key, value] of Object.entries(values ?? {})) all[prefix + key] = value;
  }
  for (const variable of container.env ?? []) {
    const value = valueOf(variable, objects, pod);
    if (value !== undefined) all[variable.name] = variable.valueFrom ? value : expand(value, all);
  }
  return all;
}

function valueOf({ name, value, valueFrom }: V1EnvVar, objects: Objects, pod: Identity): string | undefined {
  if (!valueFrom) return value ?? '';
  const { fieldRef, secretKeyRef, configMapKeyRef } = valueFrom;
  if (fieldRef) return fieldOf(pod, fieldRef.fieldPath);
  const ref = secretKeyRef ?? configMapKeyRef;
  if (!ref) throw new Error(`the podlet does not know where ${name} comes from`);
  const values = objectNamed(objects, secretKeyRef ? 'secret' : 'configMap', ref.name, ref.optional);
  const found = values?.[ref.key];
  if (found === undefined && !ref.optional) throw new Error(`couldn't find key ${ref.key} in ${ref.name}`);
  return found;
}
