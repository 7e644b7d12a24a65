/** One container of a podlet: a real process, started again when it ends, probed as the kubelet does. */
import type { V1Container, V1Probe } from '@kubernetes/client-node';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

export interface Command {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

export interface Exit {
  /** Null if a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

export interface ContainerOptions {
  readonly spec: V1Container;
  readonly policy: RestartPolicy;
  /** Made anew for each start, as the kubelet does: Secrets may have changed. Throws what kubectl shows as CreateContainerConfigError. */
  readonly command: () => Command;
  /** Of this machine, for a port of the container. */
  readonly port: (containerPort: number) => number;
  readonly backoffMs: number;
  /** Of a container that a probe gives up. */
  readonly graceMs: number;
  readonly note: (what: string) => void;
}

const living = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

export class Container {
  readonly name: string;
  readonly #options: ContainerOptions;
  readonly #started = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<Exit | undefined>();
  readonly #stop = new AbortController();
  #child: ChildProcess | undefined;
  #ended: Promise<Exit> | undefined;
  #log = '';
  #starts = 0;
  #ready = false;
  readonly exits: Exit[] = [];

  constructor(options: ContainerOptions) {
    this.#options = options;
    this.name = options.spec.name;
  }

  /** Of all its processes, one after the other; as `kubectl logs` and `kubectl logs --previous`. */
  get log(): string {
    return this.#log;
  }

  get ready(): boolean {
    return this.#ready;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get restarts(): number {
    return Math.max(0, this.#starts - 1);
  }

  /** The startup probe has succeeded for the first time. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** It is not started again. Undefined if it never was. */
  get over(): Promise<Exit | undefined> {
    return this.#over.promise;
  }

  run(): void {
    void this.#lives().then(this.#over.resolve, this.#over.reject);
  }

  /** SIGTERM; SIGKILL when the time is over. Never started again. */
  async stop(graceMs: number): Promise<void> {
    this.#stop.abort();
    // Nothing to end: `run` was not called, or waits for its next start.
    if (this.#ended === undefined) this.#over.resolve(this.exits.at(-1));
    await this.#end(graceMs);
  }

  kill(): void {
    this.#stop.abort();
    this.#child?.kill('SIGKILL');
  }

  async #end(graceMs: number): Promise<void> {
    if (this.#ended === undefined) return;
    const late = new AbortController();
    this.#options.note('SIGTERM');
    this.#child?.kill('SIGTERM');
    const killing = pause(graceMs, undefined, { signal: late.signal }).then(
      () => {
        this.#options.note('SIGKILL');
        this.#child?.kill('SIGKILL');
      },
      () => undefined,
    );
    await this.#ended;
    late.abort();
    await killing;
  }

  async #lives(): Promise<Exit | undefined> {
    const { policy, backoffMs } = this.#options;
    for (;;) {
      if (this.#stop.signal.aborted) return this.exits.at(-1);
      const exit = await this.#once();
      this.exits.push(exit);
      if (policy === 'Never' || (policy === 'OnFailure' && exit.code === 0)) return exit;
      await pause(backoffMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  async #once(): Promise<Exit> {
    const { command, note } = this.#options;
    const { args, env, cwd } = command();
    this.#starts++;
    note('start');
    const child = spawn(process.execPath, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    living.add(child);
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text;
      });
    }
    this.#ended = once(child, 'close').then(([code, signal]: unknown[]) => ({ code, signal }) as Exit);
    const probing = new AbortController();
    void this.#probed(probing.signal);
    const exit = await this.#ended;
    probing.abort();
    living.delete(child);
    [this.#child, this.#ended, this.#ready] = [undefined, undefined, false];
    note(`end ${exit.code ?? exit.signal}`);
    return exit;
  }

  async #probed(signal: AbortSignal): Promise<void> {
    const { startupProbe, readinessProbe, livenessProbe } = this.#options.spec;
    if (startupProbe && !(await this.#startup(startupProbe, signal))) return;
    if (signal.aborted) return;
    this.#options.note('started');
    this.#started.resolve();
    if (readinessProbe) void this.#probe(readinessProbe, signal, (ready) => this.#turn(ready));
    else this.#turn(true);
    if (!livenessProbe) return;
    void this.#probe(livenessProbe, signal, (alive) => {
      // A pod that is being deleted is asked no more whether it lives.
      if (alive || this.#stop.signal.aborted) return;
      this.#options.note('not alive');
      void this.#end(this.#options.graceMs);
    });
  }

  #turn(ready: boolean): void {
    if (ready !== this.#ready) this.#options.note(ready ? 'ready' : 'not ready');
    this.#ready = ready;
  }

  /** False: it has not started in all its time, and is ended. */
  #startup(probe: V1Probe, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const finished = new AbortController();
      const end = (started: boolean): void => {
        finished.abort();
        resolve(started);
      };
      void this.#probe(probe, AbortSignal.any([signal, finished.signal]), (started) => {
        if (!started) {
          this.#options.note('not started');
          void this.#end(this.#options.graceMs);
        }
        end(started);
      }).then(() => end(false));
    });
  }

  /** By the kubelet's clock: at once and then each period. Says when it has succeeded, and when it has failed often enough. */
  async #probe(probe: V1Probe, signal: AbortSignal, say: (ok: boolean) => void): Promise<void> {
    const { initialDelaySeconds = 0, periodSeconds = 10, failureThreshold = 3, successThreshold = 1 } = probe;
    const began = performance.now() + initialDelaySeconds * 1000;
    let inARow = 0;
    let last: boolean | undefined;
    for (let due = began; ; due += periodSeconds * 1000) {
      await pause(Math.max(0, due - performance.now()), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const ok = await this.#asked(probe);
      if (signal.aborted) return;
      inARow = ok === last ? inARow + 1 : 1;
      last = ok;
      if (inARow >= (ok ? successThreshold : failureThreshold)) say(ok);
    }
  }

  #asked({ httpGet, timeoutSeconds = 1 }: V1Probe): Promise<boolean> {
    if (!httpGet) throw new Error('the podlet probes by HTTP alone');
    const { path = '/', port } = httpGet;
    const { ports = [] } = this.#options.spec;
    const containerPort = typeof port === 'number' ? port : ports.find(({ name }) => name === port)?.containerPort;
    if (containerPort === undefined) throw new Error(`no port is called ${port}`);
    return new Promise((resolve) => {
      const asking = get({ host: '127.0.0.1', port: this.#options.port(containerPort), path, agent: false, signal: AbortSignal.timeout(timeoutSeconds * 1000) }, (answer) => {
        answer.resume();
        resolve(answer.statusCode! >= 200 && answer.statusCode! < 400);
      });
      asking.on('error', () => resolve(false));
    });
  }
}
