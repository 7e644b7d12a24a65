/** Events on the pod, which `kubectl describe pod` and `kubectl get events` show. Best effort: nobody waits for one. */
import { fetch } from 'undici';
import type { Cluster, Link } from './link.ts';
import type { Time } from './time.ts';

export interface PodEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: 'ConfigRejected' | 'ConfigReloaded';
  readonly message: string;
}

export interface PodIdentity {
  readonly name: string;
  readonly namespace: string;
  /** Without it `kubectl describe pod` does not find the event; `kubectl get events` does. */
  readonly uid: string | undefined;
}

/** What the API server takes. */
const LONGEST_MESSAGE = 1024;
const APART_MS = 10_000;
const ANSWER_MS = 10_000;

/** From the downward API; undefined when the manifest does not bring the pod's name. */
export function podIdentity(env: Readonly<Record<string, string | undefined>>, namespace: string | undefined): PodIdentity | undefined {
  const name = env['POD_NAME'] ?? '';
  const where = env['POD_NAMESPACE'] || namespace;
  return name === '' || where === undefined ? undefined : { name, namespace: where, uid: env['POD_UID'] || undefined };
}

export class PodEvents {
  readonly #cluster: Cluster;
  readonly #pod: PodIdentity;
  readonly #time: Time;
  readonly #apartMs: number;
  /** The newest; what it replaced was overtaken. */
  #waiting: PodEvent | undefined;
  #cancel: (() => void) | undefined;
  #busy = false;
  #link: Link | undefined;
  #notBefore = 0;
  #stopped = false;

  constructor(cluster: Cluster, pod: PodIdentity, time: Time, apartMs = APART_MS) {
    this.#cluster = cluster;
    this.#pod = pod;
    this.#time = time;
    this.#apartMs = apartMs;
  }

  tell(event: PodEvent): void {
    if (this.#stopped) return;
    this.#waiting = event;
    this.#next();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#link?.close();
  }

  #next(): void {
    if (this.#stopped || this.#busy || this.#waiting === undefined || this.#cancel !== undefined) return;
    const wait = this.#notBefore - this.#time.now();
    if (wait > 0) {
      this.#cancel = this.#time.after(wait, () => {
        this.#cancel = undefined;
        this.#next();
      });
      return;
    }
    const event = this.#waiting;
    this.#waiting = undefined;
    this.#busy = true;
    // The same is written to the log and to /status, so a failure here is nobody's news.
    this.#post(event)
      .catch(() => undefined)
      .finally(() => {
        this.#busy = false;
        this.#notBefore = this.#time.now() + this.#apartMs;
        this.#next();
      });
  }

  async #post(event: PodEvent): Promise<void> {
    const link = await this.#cluster.link();
    this.#link = link;
    const cancel = this.#time.after(ANSWER_MS, () => link.close());
    try {
      if (this.#stopped) return;
      const response = await fetch(`${link.server}/api/v1/namespaces/${this.#pod.namespace}/events`, {
        method: 'POST',
        headers: { ...link.headers, 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify(manifest(event, this.#pod)),
        dispatcher: link.dispatcher,
        redirect: 'error',
      });
      await response.text();
      // The Role does not allow it, and will not tomorrow.
      if (response.status === 403) this.stop();
    } finally {
      cancel();
      this.#link = undefined;
      link.close();
    }
  }
}

function manifest({ type, reason, message }: PodEvent, { name, namespace, uid }: PodIdentity): object {
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { generateName: `${name}.`, namespace },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, ...(uid !== undefined && { uid }) },
    reason,
    type,
    message: message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE - 1)}…` : message,
    source: { component: 'spillway' },
    reportingComponent: 'spillway',
    reportingInstance: name,
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  };
}
