/** The pods of manifests, and what must hold inside one beyond its types. */
import type { V1Container, V1EnvFromSource, V1PodSpec, V1PodTemplateSpec, V1Probe } from '@kubernetes/client-node';
import type { Manifest } from './strict.ts';

export interface Pod {
  readonly owner: Manifest;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: V1PodSpec;
}

export function podsOf(manifests: readonly Manifest[]): Pod[] {
  return manifests.flatMap((owner) => {
    const template = templateOf(owner);
    return template?.spec ? [{ owner, labels: template.metadata?.labels ?? {}, spec: template.spec }] : [];
  });
}

function templateOf(manifest: Manifest): V1PodTemplateSpec | undefined {
  const { kind, spec } = manifest as unknown as { kind: string; spec?: { template?: V1PodTemplateSpec; jobTemplate?: { spec: { template: V1PodTemplateSpec } } } };
  if (kind === 'Pod') return manifest as unknown as V1PodTemplateSpec;
  return kind === 'CronJob' ? spec?.jobTemplate?.spec.template : spec?.template;
}

export function sidecarOf({ spec }: Pod): V1Container | undefined {
  return spec.initContainers?.find(({ name }) => name === 'spillway');
}

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const QUANTITY = /^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/;
const FIELDS = /^(metadata\.(name|namespace|uid)|metadata\.(labels|annotations)\['[^']+'\]|spec\.(nodeName|serviceAccountName)|status\.(podIP|hostIP))$/;

export function podMistakes(pod: Pod, secured = true): string[] {
  const { spec, owner } = pod;
  const found: string[] = [];
  const must = (holds: boolean, message: string): void => void (holds || found.push(`${owner.kind}/${owner.metadata.name}: ${message}`));
  const inits = spec.initContainers ?? [];
  const containers = [...inits, ...spec.containers];
  const volumes = (spec.volumes ?? []).map(({ name }) => name);
  const ports = containers.flatMap(({ ports = [] }) => ports);
  must(areUnique(containers.map(({ name }) => name)), 'two containers of one name');
  must(areUnique(volumes), 'two volumes of one name');
  must(areUnique(ports.flatMap(({ name }) => name ?? [])) && areUnique(ports.map(({ containerPort }) => String(containerPort))), 'a port twice');
  for (const { name, ...source } of spec.volumes ?? []) must(LABEL.test(name) && Object.keys(source).length === 1, `the volume ${name} has a wrong name or not one source`);
  for (const { probes, container } of containers.map((container) => ({ container, probes: probesOf(container) }))) {
    if (inits.includes(container)) must(container.restartPolicy === 'Always' || probes.length === 0, `${container.name}: probes are for containers that stay`);
    else must(container.restartPolicy === undefined, `${container.name}: restartPolicy is for init containers`);
    for (const probe of probes) must(portExists(probe, container), `${container.name}: a probe's port does not exist`);
  }
  for (const container of containers) found.push(...containerMistakes(container, volumes).map((message) => `${owner.kind}/${owner.metadata.name}: ${container.name}: ${message}`));
  if (secured) for (const container of containers) must(isRestricted(container), `${container.name} is not restricted`);
  const grace = Number.parseInt(argAfter(sidecarOf(pod), '--grace') ?? '1', 10);
  must(grace > 0 && grace < (spec.terminationGracePeriodSeconds ?? 30), 'the grace is longer than the pod has');
  must(!spec.hostNetwork && !spec.hostPID && !spec.hostIPC, 'uses the host');
  return found;
}

function containerMistakes({ name, image, args = [], env = [], envFrom = [], volumeMounts = [], ports = [], resources }: V1Container, volumes: readonly string[]): string[] {
  const found: string[] = [];
  const must = (holds: boolean, message: string): void => void (holds || found.push(message));
  must(LABEL.test(name) && image !== undefined && image !== '', 'a wrong name or no image');
  must(areUnique(volumeMounts.map(({ mountPath }) => mountPath)), 'a path is mounted twice');
  for (const mount of volumeMounts) must(volumes.includes(mount.name) && mount.mountPath.startsWith('/') && mount.subPath === undefined, `the mount ${mount.name} has no volume, no path, or a subPath`);
  must(areUnique(env.map(({ name }) => name)), 'a variable twice');
  for (const variable of env) {
    must(/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable.name) && (variable.value === undefined || variable.valueFrom === undefined), `the variable ${variable.name}`);
    const path = variable.valueFrom?.fieldRef?.fieldPath;
    must(path === undefined || FIELDS.test(path), `${path} is no field of a pod`);
  }
  for (const source of envFrom) must(sourceIsNamed(source), 'envFrom without a name');
  for (const [, variable] of args.join(' ').matchAll(/\$\((\w+)\)/g)) must(env.some(({ name }) => name === variable), `$(${variable}) is not set`);
  for (const { name, containerPort } of ports) must((name === undefined || (name.length <= 15 && LABEL.test(name))) && containerPort > 0 && containerPort < 65_536, 'a wrong port');
  const { requests = {}, limits = {} } = resources ?? {};
  for (const quantity of [...Object.values(requests), ...Object.values(limits)]) must(QUANTITY.test(quantity), `${quantity} is no quantity`);
  must(requests['memory'] !== undefined && limits['memory'] !== undefined && Number.parseInt(requests['memory'], 10) <= Number.parseInt(limits['memory'], 10), 'memory is asked for and limited');
  return found;
}

function sourceIsNamed({ secretRef, configMapRef }: V1EnvFromSource): boolean {
  return ((secretRef ?? configMapRef)?.name ?? '') !== '';
}

function probesOf({ startupProbe, readinessProbe, livenessProbe }: V1Container): V1Probe[] {
  return [startupProbe, readinessProbe, livenessProbe].flatMap((probe) => probe ?? []);
}

function portExists({ httpGet, tcpSocket }: V1Probe, { ports = [] }: V1Container): boolean {
  const port = (httpGet ?? tcpSocket)?.port;
  return ports.some(({ name, containerPort }) => port === name || port === containerPort);
}

/** Pod Security Standards, restricted; and a root that nobody writes to. */
export function isRestricted({ securityContext: context }: V1Container): boolean {
  return (
    context?.runAsNonRoot === true &&
    context.runAsUser !== 0 &&
    context.allowPrivilegeEscalation === false &&
    context.privileged !== true &&
    context.capabilities?.drop?.includes('ALL') === true &&
    (context.capabilities.add ?? []).length === 0 &&
    context.seccompProfile?.type === 'RuntimeDefault' &&
    context.readOnlyRootFilesystem === true
  );
}

export function argAfter(container: V1Container | undefined, flag: string): string | undefined {
  const args = container?.args ?? [];
  return args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined;
}

export function areUnique(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}
