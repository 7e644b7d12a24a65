/**
 * The sidecar as Kubernetes runs it. `inject` writes it, scripts/kubernetes-files.ts makes the kustomize component of it, and the
 * tests hold the chart against it: all three ways give the same container.
 */
import type { V1Container, V1EnvVar, V1EnvFromSource, V1Probe, V1Volume, V1VolumeMount } from '@kubernetes/client-node';

/** Of the container, and of the ConfigMap if nobody names another. */
export const NAME = 'spillway';
export const KEY_SECRET = 'spillway-keys';
export const DATA_PORT = 4000;
export const ADMIN_PORT = 4001;
const ADMIN = 'spillway-admin';
/** The image's user (docs/decisions/0005-image.md). */
const USER = 14_000;
const CONFIG_FILE = '/etc/spillway/spillway.yaml';
/** Less than a pod's standard terminationGracePeriodSeconds, 30. */
export const STANDARD_GRACE = 25;

export type Source =
  /** A ConfigMap of the pod's own namespace: mounted, so that a pod starts without the API server; and watched, if it may be. */
  | { readonly kind: 'mounted'; readonly name: string; readonly watch: boolean }
  /** A ConfigMap of another namespace cannot be mounted: it is read from the API alone. */
  | { readonly kind: 'api'; readonly namespace: string; readonly name: string };

export interface Sidecar {
  readonly image: string;
  readonly source: Source;
  /** Their keys are the sidecar's environment, and files in /var/run/secrets/spillway, which are read again when they change. */
  readonly secrets: readonly string[];
  readonly graceSeconds: number;
}

interface Mounted {
  readonly volume: V1Volume;
  readonly path: string;
}

export function sidecarContainer(sidecar: Sidecar): V1Container {
  const { image, source, secrets, graceSeconds } = sidecar;
  const envFrom: V1EnvFromSource[] = secrets.map((name) => ({ secretRef: { name } }));
  return {
    name: NAME,
    image,
    restartPolicy: 'Always',
    args: ['serve', ...sourceArgs(source), '--grace', `${graceSeconds}s`],
    ...(envFrom.length > 0 && { envFrom }),
    env: [field('POD_NAME', 'metadata.name'), field('POD_NAMESPACE', 'metadata.namespace'), field('POD_UID', 'metadata.uid'), field('SPILLWAY_APP', "metadata.labels['app.kubernetes.io/name']")],
    // Port 4000 is no containerPort: it is on loopback, for this pod alone.
    ports: [{ name: ADMIN, containerPort: ADMIN_PORT, protocol: 'TCP' }],
    // The app starts when this has succeeded: its first call finds the port open.
    startupProbe: probe('/startedz', { periodSeconds: 1, failureThreshold: 30 }),
    readinessProbe: probe('/readyz', { periodSeconds: 5, failureThreshold: 3 }),
    livenessProbe: probe('/livez', { periodSeconds: 10, failureThreshold: 6 }),
    // Measured: idle 79 MB, loaded up to 155 MB. No limit of CPU: throttling would be every request's latency.
    resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '256Mi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsGroup: USER,
      runAsNonRoot: true,
      runAsUser: USER,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: mounted(sidecar).map(({ volume, path }): V1VolumeMount => ({ name: volume.name, mountPath: path, readOnly: true })),
  };
}

export function sidecarVolumes(sidecar: Sidecar): V1Volume[] {
  return mounted(sidecar).map(({ volume }) => volume);
}

/** Every name that a volume of ours can have. */
export const VOLUME_NAMES: readonly string[] = ['spillway-config', 'spillway-secrets', 'spillway-token'];

export function asksApi(source: Source): boolean {
  return source.kind === 'api' || source.watch;
}

function sourceArgs(source: Source): string[] {
  if (source.kind === 'api') return ['--config', `configmap:${source.namespace}/${source.name}`];
  // The kubelet puts the namespace in, so the same text serves in any.
  return ['--config', CONFIG_FILE, ...(source.watch ? ['--watch', `configmap:$(POD_NAMESPACE)/${source.name}`] : [])];
}

function mounted({ source, secrets }: Sidecar): Mounted[] {
  const all: Mounted[] = [];
  // The whole folder, no subPath: that would never see an edit.
  if (source.kind === 'mounted') all.push({ volume: { name: 'spillway-config', configMap: { name: source.name } }, path: '/etc/spillway' });
  if (secrets.length > 0) all.push({ volume: { name: 'spillway-secrets', projected: { sources: secrets.map((name) => ({ secret: { name } })) } }, path: '/var/run/secrets/spillway' });
  if (asksApi(source)) all.push({ volume: { name: 'spillway-token', projected: { sources: TOKEN } }, path: '/var/run/secrets/kubernetes.io/serviceaccount' });
  return all;
}

/** As Kubernetes mounts it itself, but in this container alone: the pod may well have automountServiceAccountToken: false. */
const TOKEN: NonNullable<NonNullable<V1Volume['projected']>['sources']> = [
  { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } },
  { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
  { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
];

function field(name: string, fieldPath: string): V1EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

function probe(path: string, { periodSeconds, failureThreshold }: { periodSeconds: number; failureThreshold: number }): V1Probe {
  // Longer than the standard second: a node short of CPU is no reason to restart.
  return { httpGet: { path, port: ADMIN }, periodSeconds, failureThreshold, timeoutSeconds: 5 };
}
