/**
 * One pod as a kubelet runs it, of real processes on this machine: volumes, init containers in their order, native
 * sidecars, probes, restarts, and the order in which they end. The sidecar's image is this checkout; what stands for
 * an app's image is a script that the test gives. Not here: namespaces, users, limits, hooks, the image's own files.
 */
import type { V1Container, V1PodSpec } from '@kubernetes/client-node';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { rootCertificates } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { ADMIN_PORT, DATA_PORT, NAME } from '../../src/kubernetes/inject/container.ts';
import { Container, type Command, type RestartPolicy } from './podlet-container.ts';
import { environmentOf, expand, type Identity, type Objects } from './podlet-env.ts';
import { isOf, Mounts } from './podlet-mounts.ts';

export interface PodletOptions {
  readonly spec: V1PodSpec;
  readonly labels: Readonly<Record<string, string>>;
  readonly configMaps: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly secrets: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What each container but the sidecar runs, instead of its image and command: a module, which finds this checkout's packages. */
  readonly scripts: Readonly<Record<string, string>>;
  /** A closed port unless told: the API server is away. */
  readonly apiServer?: { readonly host: string; readonly port: number };
  /** Between two starts of a container; a kubelet begins with 10 s. */
  readonly backoffMs?: number;
}

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** The kubelet's minimumGracePeriodInSeconds: so much has a sidecar even after an app that took all there was. */
const MIN_GRACE_MS = 2_000;
const STANDARD_GRACE_SECONDS = 30;

const living = new Set<Podlet>();

/** Whatever a test has left. */
export async function destroyPodlets(): Promise<void> {
  await Promise.all([...living].map((podlet) => podlet.destroy()));
}

export class Podlet {
  /** `CONTAINER WHAT`, in the order in which it happened. */
  readonly events: string[] = [];
  /** `http://HOST:PORT` of the sidecar. */
  readonly url: string;
  readonly admin: string;
  /** Every container has been started. Rejects if that is not to be. */
  readonly running: Promise<void>;
  /** Nothing of it runs any more. */
  readonly ended: Promise<Phase>;
  readonly #options: PodletOptions;
  readonly #objects: Objects;
  readonly #identity: Identity;
  readonly #mounts: Mounts;
  readonly #ports: ReadonlyMap<number, number>;
  readonly #inits: readonly Container[];
  readonly #apps: readonly Container[];
  readonly #deleted = Promise.withResolvers<void>();
  #deleting = false;
  #phase: Phase = 'Pending';

  private constructor(options: PodletOptions, given: { objects: Objects; identity: Identity; mounts: Mounts; ports: ReadonlyMap<number, number> }) {
    const { spec } = options;
    this.#options = options;
    this.#objects = given.objects;
    this.#identity = given.identity;
    this.#mounts = given.mounts;
    this.#ports = given.ports;
    this.url = `http://127.0.0.1:${given.ports.get(DATA_PORT)}`;
    this.admin = `http://127.0.0.1:${given.ports.get(ADMIN_PORT)}`;
    const policy = (spec.restartPolicy ?? 'Always') as RestartPolicy;
    this.#inits = (spec.initContainers ?? []).map((init) => this.#container(init, init.restartPolicy === 'Always' ? 'Always' : policy === 'Never' ? 'Never' : 'OnFailure'));
    this.#apps = spec.containers.map((app) => this.#container(app, policy));
    living.add(this);
    const lifetime = Promise.withResolvers<void>();
    this.running = lifetime.promise;
    this.ended = this.#live(lifetime.resolve);
    // Only who awaits them hears of it.
    this.ended.then(() => lifetime.reject(new Error(`the pod has ended before it ran\n${this.logs()}`)), lifetime.reject);
    this.running.catch(() => undefined);
    this.ended.catch(() => undefined);
  }

  static async start(options: PodletOptions): Promise<Podlet> {
    const [data, admin, closed] = await freePorts(3);
    const identity: Identity = { name: 'checkout-7c9f6d5b4-x2x9z', namespace: 'shop', uid: '0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0', labels: options.labels };
    const objects: Objects = {
      // Every namespace has this one. Whose authority it is does not matter here.
      configMaps: { 'kube-root-ca.crt': { 'ca.crt': rootCertificates[0]! }, ...options.configMaps },
      secrets: { ...options.secrets },
    };
    const mounts = await Mounts.make(options.spec, objects, identity);
    const ports = new Map([[DATA_PORT, data!], [ADMIN_PORT, admin!]]);
    return new Podlet({ apiServer: { host: '127.0.0.1', port: closed! }, ...options }, { objects, identity, mounts, ports });
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Every container is, the sidecars too. */
  get ready(): boolean {
    return this.#staying().every(({ ready }) => ready);
  }

  container(name: string): Container {
    return this.#all().find((container) => container.name === name)!;
  }

  /** Of all containers, for the message of a test that failed. */
  logs(): string {
    return `${this.events.join('\n')}\n${this.#all().map(({ name, log }) => `--- ${name}\n${log}`).join('\n')}`;
  }

  /** `kubectl edit configmap`, and the kubelet's next look at it: at once, not within a minute. */
  async edit(configMap: string, data: Readonly<Record<string, string>>): Promise<void> {
    this.#objects.configMaps[configMap] = data;
    await this.#mounts.write(this.#objects, (volume) => isOf(volume, configMap));
  }

  /** `kubectl delete pod`. */
  async delete(): Promise<Phase> {
    this.#note('pod', 'delete');
    this.#deleting = true;
    this.#deleted.resolve();
    return this.ended;
  }

  /** For the end of a test. */
  async destroy(): Promise<void> {
    this.#deleting = true;
    this.#deleted.resolve();
    for (const container of this.#all()) container.kill();
    await this.ended.catch(() => undefined);
    await this.#mounts.remove();
    living.delete(this);
  }

  async #live(runs: () => void): Promise<Phase> {
    if (await this.#initialised()) {
      for (const app of this.#apps) app.run();
      this.#phase = 'Running';
      runs();
      await Promise.race([Promise.all(this.#apps.map(({ over }) => over)), this.#deleted.promise]);
    }
    await this.#terminate();
    const done = this.#apps.every(({ exits }) => exits.at(-1)?.code === 0);
    this.#phase = done ? 'Succeeded' : 'Failed';
    return this.#phase;
  }

  async #initialised(): Promise<boolean> {
    for (const [i, init] of this.#inits.entries()) {
      const stays = this.#options.spec.initContainers![i]!.restartPolicy === 'Always';
      init.run();
      // A sidecar is over only when it is stopped, or cannot even be made.
      await Promise.race([...(stays ? [init.started] : []), init.over, this.#deleted.promise]);
      if (this.#deleting) return false;
      if (!stays && (await init.over)?.code !== 0) return false;
    }
    return true;
  }

  /** The apps, all at once; when the last has ended the sidecars, the last of them first. */
  async #terminate(): Promise<void> {
    const { terminationGracePeriodSeconds = STANDARD_GRACE_SECONDS } = this.#options.spec;
    const until = performance.now() + terminationGracePeriodSeconds * 1000;
    const left = (): number => Math.max(MIN_GRACE_MS, until - performance.now());
    await Promise.all(this.#apps.map((app) => app.stop(left())));
    for (const init of this.#inits.toReversed()) await init.stop(left());
  }

  #staying(): Container[] {
    const sidecars = this.#inits.filter((_, i) => this.#options.spec.initContainers![i]!.restartPolicy === 'Always');
    return [...sidecars, ...this.#apps];
  }

  #all(): Container[] {
    return [...this.#inits, ...this.#apps];
  }

  #note(who: string, what: string): void {
    this.events.push(`${who} ${what}`);
  }

  #container(spec: V1Container, policy: RestartPolicy): Container {
    return new Container({
      spec,
      policy,
      backoffMs: this.#options.backoffMs ?? 10_000,
      graceMs: (this.#options.spec.terminationGracePeriodSeconds ?? STANDARD_GRACE_SECONDS) * 1000,
      port: (containerPort) => this.#ports.get(containerPort) ?? containerPort,
      note: (what) => this.#note(spec.name, what),
      command: () => this.#command(spec),
    });
  }

  #command(spec: V1Container): Command {
    const { apiServer, scripts } = this.#options;
    const given = {
      PATH: process.env['PATH'] ?? '',
      HOME: '/',
      HOSTNAME: this.#identity.name,
      KUBERNETES_SERVICE_HOST: apiServer!.host,
      KUBERNETES_SERVICE_PORT: String(apiServer!.port),
      // Compiled once, as in the image.
      NODE_COMPILE_CACHE: join(tmpdir(), 'spillway-compiled-for-tests'),
    };
    const env = environmentOf(spec, this.#objects, this.#identity, given);
    for (const [name, value] of Object.entries(env)) env[name] = this.#mapped(value);
    if (spec.name === NAME) {
      const args = (spec.args ?? ['serve']).map((text) => this.#mounts.rewritten(expand(text, env)));
      return { args: [...ENTRYPOINT, ...args], env: { ...env, ...this.#ownPlaces() }, cwd: tmpdir() };
    }
    const script = scripts[spec.name];
    if (script === undefined) throw new Error(`no script stands for the container ${spec.name}`);
    return { args: ['--input-type=module', '--eval', script], env, cwd: ROOT };
  }

  /** Where the sidecar's own standard places cannot be had on this machine. */
  #ownPlaces(): Record<string, string> {
    const data = this.#ports.get(DATA_PORT);
    const account = this.#mounts.at('/var/run/secrets/kubernetes.io/serviceaccount');
    return {
      SPILLWAY_LISTEN: HAS_IPV6 ? `127.0.0.1:${data},[::1]:${data}` : `127.0.0.1:${data}`,
      SPILLWAY_ADMIN: `127.0.0.1:${this.#ports.get(ADMIN_PORT)}`,
      ...(account !== undefined && { SPILLWAY_SERVICE_ACCOUNT: account }),
    };
  }

  #mapped(value: string): string {
    const places = this.#mounts.rewritten(value);
    return places.replaceAll(`//localhost:${DATA_PORT}`, `//localhost:${this.#ports.get(DATA_PORT)}`);
  }
}

const HAS_IPV6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'));

/** The image's, with this checkout's program. */
const ENTRYPOINT = entrypoint();

function entrypoint(): string[] {
  const line = /^ENTRYPOINT (\[.*\])$/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'))?.[1];
  const [, ...args] = JSON.parse(line ?? '[]') as string[];
  if (args.pop() !== '/app/dist/main.js') throw new Error('the image starts something else');
  return [...args, join(ROOT, 'src/main.ts')];
}

/** Free just now, and not the same twice. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  for (const server of servers) server.close();
  await pause(0);
  return ports;
}
