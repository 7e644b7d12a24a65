/** Adds the sidecar to one workload that has none of ours. */
import { isMap, type Pair, type YAMLMap } from 'yaml';
import type { Access } from './access.ts';
import { accountOf, isMesh, isSet, numberAt, refuseStrangers, warnings, type Note } from './checks.ts';
import { asksApi, DATA_PORT, NAME, sidecarContainer, sidecarVolumes, STANDARD_GRACE, type Source } from './container.ts';
import { isEmpty, offsetOf, Refused, type Editor } from './editor.ts';
import { MARK, markText } from './mark.ts';
import { entriesAt, listAt, pairAt, valueAt, type Entry, type Workload } from './workloads.ts';

export interface Wanted {
  readonly image: string;
  /** The namespace is the workload's own if it is left out. */
  readonly configMap: { readonly namespace: string | undefined; readonly name: string };
  readonly watch: boolean;
  readonly secrets: readonly string[];
  /** Points the SDKs of the app at the sidecar. */
  readonly env: boolean;
}

export interface Added {
  readonly notes: readonly Note[];
  readonly access: Access | undefined;
}

/** Both SDKs refuse to start without a key; the sidecar never forwards it. */
const PLACEHOLDER = 'held-by-spillway';
const SDK_ENV: Readonly<Record<string, string>> = {
  OPENAI_BASE_URL: `http://localhost:${DATA_PORT}/v1`,
  OPENAI_API_KEY: PLACEHOLDER,
  ANTHROPIC_BASE_URL: `http://localhost:${DATA_PORT}`,
  ANTHROPIC_API_KEY: PLACEHOLDER,
};

export function add(editor: Editor, workload: Workload, wanted: Wanted): Added {
  const { pod, spec, title, namespace, offset } = workload;
  refuseStrangers(workload);
  const containers = pairAt(spec, 'containers');
  if (containers === undefined || !listAt(spec, 'containers')?.items.length) throw new Refused(offsetOf(containers ?? spec), `${title} has no containers`);
  const notes = warnings(workload);
  const created: string[] = [];
  const source = sourceFor(workload, wanted, notes);
  const sidecar = { image: wanted.image, source, secrets: wanted.secrets, graceSeconds: graceFor(spec) };

  const inits = entriesAt(spec, 'initContainers');
  const after = inits.findLast(({ name }) => isMesh(name));
  const pairs: [key: string, value: unknown][] = [];
  // Items first: where a list ends and the key of another begins, they are above it.
  const list = (key: string, index: number, items: readonly unknown[]): void => {
    const owner = pairAt(spec, key);
    if (items.length === 0) return;
    if (owner) editor.addItems(owner, index, items);
    else pairs.push([key, items]);
  };
  list('initContainers', after ? after.index + 1 : 0, [sidecarContainer(sidecar)]);
  list('volumes', 0, sidecarVolumes(sidecar));

  const own = accountOf(spec);
  const ownAccount = own === undefined && asksApi(source);
  if (ownAccount) {
    pairs.unshift(['serviceAccountName', NAME]);
    notes.push({ offset, message: `${title} names no ServiceAccount and gets one, ${NAME}: what its namespace's "default" is granted (imagePullSecrets, say) is not granted to that` });
  }
  for (const [key, value] of pairs) editor.addPair(spec, 'before', containers, key, value);
  created.push(...pairs.map(([key]) => key));

  const env = wanted.env ? addEnv(editor, workload, created, notes) : {};
  markWith(editor, pod, created, env);
  const access: Access = {
    configMap: source.kind === 'api' ? source : { namespace, name: source.name },
    pod: { namespace, account: own ?? NAME },
    ownAccount,
  };
  return { notes, access: asksApi(source) ? access : undefined };
}

function sourceFor({ title, namespace, offset }: Workload, { configMap, watch }: Wanted, notes: Note[]): Source {
  const { name } = configMap;
  if (configMap.namespace === undefined || configMap.namespace === namespace) return { kind: 'mounted', name, watch };
  if (namespace === undefined) {
    notes.push({ offset, message: `${title} names no namespace: apply it in ${configMap.namespace}, where its ConfigMap is` });
    return { kind: 'mounted', name, watch };
  }
  if (!watch) throw new Refused(offset, `${title} is in the namespace ${namespace} and the ConfigMap in ${configMap.namespace}: it cannot be mounted from there, so it must be watched`);
  notes.push({ offset, message: `${title} is in the namespace ${namespace} and the ConfigMap in ${configMap.namespace}: it cannot be mounted from there, so its pods start only while the API server answers` });
  return { kind: 'api', namespace: configMap.namespace, name };
}

/** SIGTERM comes when the app has ended, in the same time that the pod has in all. */
function graceFor(spec: YAMLMap): number {
  const seconds = numberAt(spec, 'terminationGracePeriodSeconds');
  return seconds === undefined ? STANDARD_GRACE : Math.max(1, Math.floor(seconds) - 5);
}

function addEnv(editor: Editor, { spec, title }: Workload, created: string[], notes: Note[]): Record<string, string[]> {
  const added: Record<string, string[]> = {};
  for (const { entry, name } of ownContainers(spec)) {
    const there = entriesAt(entry, 'env');
    for (const variable of there.filter(({ name }) => name.endsWith('_BASE_URL') && Object.hasOwn(SDK_ENV, name))) {
      if (!isSet(variable.entry, SDK_ENV[variable.name]!)) notes.push({ offset: offsetOf(variable.entry), message: `${title}: ${variable.name} of the container ${name} is set already and stays: its calls do not come to the sidecar` });
    }
    const missing = Object.keys(SDK_ENV).filter((variable) => !there.some(({ name }) => name === variable));
    if (missing.length === 0) continue;
    added[name] = missing;
    const items = missing.map((variable) => ({ name: variable, value: SDK_ENV[variable] }));
    const owner = pairAt(entry, 'env');
    if (owner) editor.addItems(owner, 0, items);
    else {
      created.push(`env:${name}`);
      editor.addPair(entry, 'after', pairNamed(entry, title), 'env', items);
    }
  }
  return added;
}

/** Those of the app itself; its init containers come after the sidecar, and may call, too. Another native sidecar is no app. */
function ownContainers(spec: YAMLMap): Entry[] {
  const inits = entriesAt(spec, 'initContainers').filter(({ entry }) => pairAt(entry, 'restartPolicy') === undefined);
  return [...entriesAt(spec, 'containers'), ...inits].filter(({ name }) => !isMesh(name));
}

function pairNamed(container: YAMLMap, title: string): Pair {
  const pair = pairAt(container, 'name');
  if (!pair) throw new Refused(offsetOf(container), `${title}: a container has no name`);
  return pair;
}

function markWith(editor: Editor, pod: YAMLMap, created: string[], env: Record<string, string[]>): void {
  const owner = pairAt(pod, 'metadata');
  const metadata = valueAt(pod, 'metadata');
  const annotations = isMap(metadata) ? pairAt(metadata, 'annotations') : undefined;
  if (annotations && isMap(metadata)) valueAt(metadata, 'annotations');
  const text = (more: readonly string[]): string => markText({ created: [...created, ...more], env });
  if (owner === undefined) editor.addPair(pod, 'before', pairAt(pod, 'spec')!, 'metadata', { annotations: { [MARK]: text(['metadata', 'annotations']) } });
  else if (annotations) editor.addEntry(annotations, MARK, text([]));
  else if (isMap(metadata) || isEmpty(metadata)) editor.addEntry(owner, 'annotations', { [MARK]: text(['annotations']) });
  else throw new Refused(offsetOf(owner), 'metadata is no mapping');
}
