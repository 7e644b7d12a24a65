/** What stands in the way of a sidecar, and what its author should know. */
import { isMap, isScalar, isSeq, type YAMLMap } from 'yaml';
import { ADMIN_PORT, DATA_PORT, NAME, VOLUME_NAMES } from './container.ts';
import { offsetOf, Refused } from './editor.ts';
import { entriesAt, pairAt, textAt, type Workload } from './workloads.ts';

export interface Note {
  readonly offset: number;
  readonly message: string;
}

/** They bring the pod's network: before them nothing can be reached. */
const MESH = new Set(['istio-init', 'istio-validation', 'istio-proxy', 'linkerd-init', 'linkerd-network-validator', 'linkerd-proxy', 'kuma-init', 'kuma-validation', 'kuma-sidecar', 'consul-connect-inject-init', 'consul-dataplane', 'envoy', 'proxyinit']);

export function isMesh(name: string): boolean {
  return MESH.has(name);
}

/** @throws Refused if the pod has something of our name that is not of `inject` */
export function refuseStrangers({ title, spec }: Workload): void {
  for (const key of ['containers', 'initContainers']) {
    const there = entriesAt(spec, key).find(({ name }) => name === NAME);
    if (there) throw new Refused(offsetOf(there.entry), `${title} has a container named ${NAME} under ${key} that inject did not add: take it out first`);
  }
  const volume = entriesAt(spec, 'volumes').find(({ name }) => VOLUME_NAMES.includes(name));
  if (volume) throw new Refused(offsetOf(volume.entry), `${title} has a volume named ${volume.name} that inject did not add: take it out first, or give it another name`);
  if (pairAt(spec, '<<')) throw new Refused(offsetOf(pairAt(spec, '<<')), `${title}: a merge key (<<) in a pod's spec: write out what it stands for`);
}

export function warnings(workload: Workload): Note[] {
  const { title, spec } = workload;
  const notes: Note[] = [];
  const hostNetwork = pairAt(spec, 'hostNetwork');
  if (isScalar(hostNetwork?.value) && hostNetwork.value.value === true)
    notes.push({ offset: offsetOf(hostNetwork), message: `${title} has hostNetwork: port ${DATA_PORT} is then the node's, open to its other pods and processes, and a second such pod on the node cannot start` });
  for (const { entry, name } of [...entriesAt(spec, 'containers'), ...entriesAt(spec, 'initContainers')]) {
    const ports = pairAt(entry, 'ports')?.value;
    for (const port of isSeq(ports) ? ports.items.filter((one) => isMap(one)) : []) {
      const number = numberAt(port, 'containerPort');
      if (number === DATA_PORT || number === ADMIN_PORT) notes.push({ offset: offsetOf(port), message: `${title}: the container ${name} has port ${number}, which the sidecar needs: in a pod both cannot listen` });
    }
  }
  return notes;
}

export function numberAt(map: YAMLMap, key: string): number | undefined {
  const value = pairAt(map, key)?.value;
  return isScalar(value) && typeof value.value === 'number' ? value.value : undefined;
}

/** Undefined if the pods use the namespace's own. */
export function accountOf(spec: YAMLMap): string | undefined {
  return textAt(spec, 'serviceAccountName') ?? textAt(spec, 'serviceAccount');
}

/** Whether a variable of the app is what we would set. */
export function isSet(entry: YAMLMap, wanted: string): boolean {
  const value = pairAt(entry, 'value')?.value;
  return isScalar(value) && value.value === wanted;
}
