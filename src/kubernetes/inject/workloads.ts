/** Finds the workloads of a file, also inside lists. */
import { isAlias, isMap, isScalar, isSeq, type Pair, type YAMLMap, type YAMLSeq } from 'yaml';
import { nameOf, offsetOf, Refused } from './editor.ts';

export interface Workload {
  /** As kubectl calls it: Deployment/checkout. */
  readonly title: string;
  readonly namespace: string | undefined;
  /** What holds the pod's metadata and spec. */
  readonly pod: YAMLMap;
  readonly spec: YAMLMap;
  readonly offset: number;
}

const TEMPLATE = ['spec', 'template'];
const PATHS: Readonly<Record<string, readonly string[]>> = {
  'apps/Deployment': TEMPLATE,
  'apps/StatefulSet': TEMPLATE,
  'apps/DaemonSet': TEMPLATE,
  'apps/ReplicaSet': TEMPLATE,
  'batch/Job': TEMPLATE,
  'batch/CronJob': ['spec', 'jobTemplate', ...TEMPLATE],
  '/ReplicationController': TEMPLATE,
  '/Pod': [],
};

export const KINDS: readonly string[] = Object.keys(PATHS).map((path) => path.slice(path.indexOf('/') + 1));

export function workloadsIn(contents: unknown): Workload[] {
  return objectsIn(contents).flatMap((object) => {
    const path = PATHS[`${groupOf(object)}/${textAt(object, 'kind')}`];
    return path === undefined ? [] : [workload(object, path)];
  });
}

/** The objects of a document: itself, or the items of a list. */
export function objectsIn(contents: unknown): YAMLMap[] {
  if (!isMap(contents)) return [];
  const items = textAt(contents, 'kind')?.endsWith('List') ? valueAt(contents, 'items') : undefined;
  return isSeq(items) ? items.items.flatMap(objectsIn) : [contents];
}

export function metadataOf(object: YAMLMap): { readonly name: string; readonly namespace: string | undefined } {
  const metadata = valueAt(object, 'metadata');
  if (!isMap(metadata)) return { name: '?', namespace: undefined };
  return { name: textAt(metadata, 'name') ?? textAt(metadata, 'generateName') ?? '?', namespace: textAt(metadata, 'namespace') };
}

function workload(object: YAMLMap, path: readonly string[]): Workload {
  const { name, namespace } = metadataOf(object);
  const title = `${textAt(object, 'kind')}/${name}`;
  const step = (map: YAMLMap, key: string): YAMLMap => {
    const value = valueAt(map, key);
    if (!isMap(value)) throw new Refused(offsetOf(pairAt(map, key) ?? map), `${title}: ${[...path, 'spec'].join('.')} is missing or is no mapping`);
    return value;
  };
  const pod = path.reduce(step, object);
  return { title, namespace, pod, spec: step(pod, 'spec'), offset: offsetOf(object) };
}

function groupOf(object: YAMLMap): string {
  const version = textAt(object, 'apiVersion') ?? '';
  return version.includes('/') ? version.slice(0, version.indexOf('/')) : '';
}

export function pairAt(map: YAMLMap, key: string): Pair | undefined {
  return map.items.find((pair) => nameOf(pair) === key);
}

/** @throws Refused for an alias: what stands elsewhere is not edited here */
export function valueAt(map: YAMLMap, key: string): unknown {
  const pair = pairAt(map, key);
  if (isAlias(pair?.value)) throw new Refused(offsetOf(pair.value), `${key} is an alias (*${pair.value.source}): write out what it stands for`);
  return pair?.value;
}

export function textAt(map: YAMLMap, key: string): string | undefined {
  const value = valueAt(map, key);
  return isScalar(value) && typeof value.value === 'string' ? value.value : undefined;
}

export function listAt(map: YAMLMap, key: string): YAMLSeq | undefined {
  const value = valueAt(map, key);
  return isSeq(value) ? value : undefined;
}

export interface Entry {
  readonly entry: YAMLMap;
  readonly name: string;
  readonly index: number;
}

/** The mappings of a list, with their places in it. */
export function entriesAt(map: YAMLMap, key: string): Entry[] {
  const list = listAt(map, key);
  if (!list) return [];
  return list.items.flatMap((entry, index) => {
    if (isAlias(entry)) throw new Refused(offsetOf(entry), `an item of ${key} is an alias (*${entry.source}): write out what it stands for`);
    return isMap(entry) ? [{ entry, name: textAt(entry, 'name') ?? '', index }] : [];
  });
}
