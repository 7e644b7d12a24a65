/** A ConfigMap as the API server has it: alone, or beside the file that the kubelet mounts of it. */
import { CONFIG_KEY, parseConfigMapName, type ConfigMapName } from '../../kubernetes/config-map.ts';
import type { Cluster } from '../../kubernetes/link.ts';
import { KUBELET_LAG_MS, Newer, type Verdict } from '../../kubernetes/newer.ts';
import type { ObservedEvents, ObservedState, Trouble } from '../../kubernetes/observed.ts';
import type { Pace } from '../../kubernetes/pace.ts';
import type { PodEvent } from '../../kubernetes/pod-events.ts';
import { realTime, type Time } from '../../kubernetes/time.ts';
import { messageOf } from '../../wire/record.ts';

export { parseConfigMapName, type ConfigMapName };

export interface Source {
  readonly name: string;
  /** Resolves after the first text was given or `onError` was called; edits follow until `close`. */
  open(onText: (text: string) => void, onError: (error: Error) => void): Promise<void>;
  close(): void;
}

/** For /status. */
export interface WatchState extends ObservedState {
  readonly source: string;
  /** Whose text was the last to be taken. */
  readonly newest: 'api' | 'file' | null;
  /** False: the mounted file shows something else for longer than a kubelet takes. */
  readonly fileFollows: boolean | null;
}

export interface WatchedSource extends Source {
  state(): WatchState;
  /** An Event on the pod, where the Role allows it. Never waited for. */
  tell(event: PodEvent): void;
}

export interface ApiOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: { info(what: object, message: string): void; warn(what: object, message: string): void; error(what: object, message: string): void };
  readonly time?: Time;
  readonly pace?: Partial<Pace>;
  readonly lagMs?: number;
  readonly cluster?: Cluster;
}

/** Stopped before there was a first text. */
export class SourceClosed extends Error {
  override readonly name = 'SourceClosed';
}

/** Nothing that time would mend: the namespace or the kubeconfig. */
export class CannotWatch extends Error {
  override readonly name = 'CannotWatch';
}

/** From the API alone. `open` waits until there is a text: what keeps it waiting is in the log. */
export function configMapSource(wanted: ConfigMapName, options: ApiOptions): WatchedSource {
  const api = new Api(wanted, options);
  let opened = false;
  let giveUp: (() => void) | undefined;
  return {
    name: api.name,
    async open(onText, onError) {
      const first = Promise.withResolvers<void>();
      giveUp = () => first.reject(new SourceClosed('stopped before there was a configuration'));
      const events = {
        onText(text: string) {
          try {
            onText(text);
            opened = true;
            first.resolve();
          } catch (error) {
            if (opened) throw error;
            api.close();
            first.reject(error as Error);
          }
        },
        onMistake(message: string) {
          if (opened) onError(new Error(message));
          else options.log.warn({ source: api.name }, `waiting for a configuration: ${message}`);
        },
      };
      // Between two attempts nothing else keeps the process alive.
      const alive = setInterval(() => undefined, 60_000);
      await Promise.all([api.open(events), first.promise]).finally(() => clearInterval(alive));
    },
    state: () => ({ ...api.state(), newest: opened ? 'api' : null, fileFollows: null }),
    tell: (event) => api.tell(event),
    close() {
      api.close();
      giveUp?.();
    },
  };
}

/** The file starts it, so that a pod needs no API server to start; the API brings edits at once. `Newer` has the rule between them. */
export function watchedBeside(file: Source, wanted: ConfigMapName, options: ApiOptions): WatchedSource {
  const { log, time = realTime, lagMs = KUBELET_LAG_MS } = options;
  const api = new Api(wanted, options);
  const newer = new Newer(time.now, lagMs);
  let newest: WatchState['newest'] = null;
  let comparing: (() => void) | undefined;
  let toldApart = false;
  /** The keeper was told of an error, so the next good text is news to it even if it has it. */
  let erred = false;
  const stopped = Promise.withResolvers<never>();
  // Heard by `open` alone, which may be done.
  stopped.promise.catch(() => undefined);

  return {
    name: file.name,
    async open(onText, onError) {
      const fail = (error: Error): void => {
        erred = true;
        onError(error);
      };
      const taken = (text: string, from: 'api' | 'file'): void => {
        // First, because the first one throws when it is refused.
        onText(text);
        newest = from;
        erred = false;
      };
      const follow = (verdict: Verdict, text: string | undefined): void => {
        if (verdict === 'take' && text !== undefined) taken(text, 'file');
        else if (verdict === 'ask') api.refresh();
      };
      const compareLater = (): void => {
        comparing?.();
        // A timer may be a millisecond early.
        comparing = time.after(lagMs * 1.05, () => {
          if (!newer.apart || toldApart) return;
          toldApart = true;
          log.warn({ file: file.name, source: api.name }, 'the mounted file does not follow the ConfigMap: it is mounted with subPath, or from another ConfigMap; a new pod starts with the file');
        });
      };
      const begun = file.open(
        (text) => {
          const verdict = newer.file(text, api.connected);
          if (newer.agrees && erred) return taken(text, 'file');
          follow(verdict, text);
        },
        // While the API server answers, nothing is lost.
        (error) => (api.connected ? log.warn({ file: file.name, reason: error.message }, 'the mounted file cannot be read; the API server is asked') : fail(error)),
      );
      await Promise.race([begun, stopped.promise]);
      await api.open({
        onText(text) {
          if (newer.api(text) || erred) taken(text, 'api');
          compareLater();
        },
        onMistake: (message) => fail(new Error(message)),
        onGap: () => newer.gap(),
        onListed: () => newer.confirmed(),
        onTrouble: (trouble) => {
          if (trouble !== undefined) follow(newer.held(api.connected), newer.fileText);
        },
      });
    },
    state: () => ({ ...api.state(), newest, fileFollows: !newer.apart }),
    tell: (event) => api.tell(event),
    close() {
      stopped.reject(new SourceClosed('stopped before there was a configuration'));
      comparing?.();
      file.close();
      api.close();
    },
  };
}

type Events = Pick<ObservedEvents, 'onText' | 'onMistake' | 'onGap' | 'onListed'> & Partial<Pick<ObservedEvents, 'onTrouble'>>;

/** The lazily loaded side: until it is there, nothing is connected. */
class Api {
  readonly #wanted: ConfigMapName;
  readonly #options: ApiOptions;
  #reflector: { state(): ObservedState; refresh(): void; stop(): Promise<void> } | undefined;
  #events: { tell(event: PodEvent): void; stop(): void } | undefined;
  #closed = false;
  readonly name: string;

  constructor(wanted: ConfigMapName, options: ApiOptions) {
    this.#wanted = wanted;
    this.#options = options;
    const { namespace = '', name, key } = wanted;
    this.name = `configmap:${namespace === '' ? '' : `${namespace}/`}${name}${key === CONFIG_KEY ? '' : `/${key}`}`;
  }

  async open(events: Events): Promise<void> {
    const { env, log, time = realTime, pace } = this.#options;
    const { Reflector, PodEvents, podIdentity, findCluster } = await import('../../kubernetes/api.ts');
    const cluster = this.#options.cluster ?? (await findCluster(env));
    const own = await cluster.namespace().catch((error: unknown) => {
      throw new CannotWatch(`${this.name}: ${messageOf(error)}`);
    });
    const namespace = this.#wanted.namespace ?? own;
    if (namespace === undefined) throw new CannotWatch(`${this.name}: name the namespace, because there is no pod to take it from: configmap:NAMESPACE/${this.#wanted.name}`);
    if (this.#closed) return;
    const pod = podIdentity(env, own);
    if (pod !== undefined) this.#events = new PodEvents(cluster, pod, time);
    const onTrouble = (trouble: Trouble | undefined): void => {
      if (trouble === undefined) log.info({ source: this.name }, 'the API server answers again; edits arrive at once');
      else log.error({ source: this.name, ...(trouble.remedy !== undefined && { role: trouble.remedy }) }, `edits do not arrive by the API server: ${trouble.message}`);
      events.onTrouble?.(trouble);
    };
    this.#reflector = new Reflector({ ...events, onTrouble, cluster, target: { ...this.#wanted, namespace }, time, ...(pace !== undefined && { pace }) });
  }

  get connected(): boolean {
    return this.#reflector?.state().connected ?? false;
  }

  state(): ObservedState & { readonly source: string } {
    return { source: this.name, ...(this.#reflector?.state() ?? { connected: false, resourceVersion: null, ageMs: null, error: null }) };
  }

  refresh(): void {
    this.#reflector?.refresh();
  }

  tell(event: PodEvent): void {
    this.#events?.tell(event);
  }

  close(): void {
    this.#closed = true;
    this.#events?.stop();
    // Never rejects.
    void this.#reflector?.stop();
  }
}
