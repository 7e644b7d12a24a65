/** The composition root: builds every part of one sidecar and hands them to each other. */
import { readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import type { RequestListener, Server } from 'node:http';
import { createBudgets } from '../budgets/create.ts';
import type { Budgets, WindowShape } from '../budgets/types.ts';
import type { Source, WatchedSource } from '../config/sources/configmap.ts';
import type { Environment } from '../config/secrets.ts';
import { SecretFiles } from '../config/sources/secret-files.ts';
import type { Config } from '../config/types.ts';
import { LearnedOutput } from '../decide/learned-output.ts';
import { builtProviders } from '../providers/index.ts';
import { openAiRequestReader } from '../providers/openai/request.ts';
import { adminPlane } from '../server/admin-plane.ts';
import { BudgetsHolder } from '../server/budgets-holder.ts';
import { ConfigKeeper } from '../server/config-keeper.ts';
import { dataPlane } from '../server/data-plane.ts';
import { FloodGuard } from '../server/flood-guard.ts';
import { Gateway } from '../server/gateway.ts';
import { createHttpServer } from '../server/http-server.ts';
import { passthrough } from '../server/passthrough.ts';
import { Recorder } from '../server/record.ts';
import type { Runtime } from '../server/runtime.ts';
import { addGauges, status, type StatusDeps } from '../server/status.ts';
import { Instruments } from '../telemetry/instruments.ts';
import type { Log } from '../telemetry/log.ts';
import { Dispatchers } from '../upstream/dispatchers.ts';
import type { Address } from '../wire/address.ts';
import { CoarseTimer } from '../wire/coarse-timer.ts';
import { HeldBytes } from '../wire/held-bytes.ts';
import { proxySettings } from './proxy-settings.ts';
import { redisSettings } from './redis-settings.ts';
import { listen } from './listen.ts';
import { VERSION } from './version.ts';

/** Where configuration texts come from; more can be said of those that watch the API server. */
export type ConfigSource = Source & Partial<WatchedSource>;

export interface SidecarOptions {
  readonly source: ConfigSource;
  /** An address that this machine may lack (IPv6 off) is optional. */
  readonly listen: readonly (Address & { readonly optional?: boolean })[];
  /** The first that can be had is taken. */
  readonly admin: readonly Address[];
  readonly bufferBytes: number;
  readonly bodyBytes: number;
  readonly bodyIdleMs: number;
  readonly env: Environment;
  readonly log: Log;
  readonly window: WindowShape;
  readonly maxAgeMs: number;
  /** How long a replaced key file may go unseen. */
  readonly keyFilesMs?: number;
  readonly pod?: string;
}

export interface Sidecar {
  readonly listen: readonly Address[];
  readonly admin: Address;
  readonly runtime: () => Runtime;
  readonly status: () => Promise<object>;
  /** No new requests; running ones have `graceMs` to finish; budgets are settled. */
  close(graceMs: number): Promise<void>;
}

const HEADERS_TIMEOUT_MS = 15_000;
/** Longer than the clients' own, so that it is they who close an idle connection. */
const KEEP_ALIVE_MS = 75_000;
const DRAIN_POLL_MS = 20;
const KEY_FILES_MS = 5_000;

export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { env, log } = options;
  const pod = options.pod ?? `${env['HOSTNAME'] ?? 'local'}-${randomBytes(4).toString('hex')}`;
  const timer = new CoarseTimer(() => performance.now());
  const held = new HeldBytes(options.bufferBytes);
  const instruments = new Instruments();
  const learned = new LearnedOutput();
  const flood = new FloodGuard({ now: timer.now });
  const recorder = new Recorder(instruments, timer.now);
  const proxies = proxySettings(env);
  const dispatchers = new Dispatchers(proxies);
  let budgets: BudgetsHolder | undefined;
  const opened = Promise.withResolvers<void>();
  let replaced: Promise<void> = opened.promise;
  let draining = false;
  let started = false;

  const engineFor = (config: Config): Promise<Budgets> =>
    createBudgets({
      ...redisSettings(config, env, readText),
      window: options.window,
      pod,
      maxPods: config.budgets.maxPods,
      whenRedisIsDown: config.budgets.whenRedisIsDown,
      onEvent: (event) => log.warn({ redis: event }, 'redis'),
      onFindings: (findings) => {
        for (const { code, message, remedy } of findings) log.warn({ code }, `${message}: ${remedy}`);
      },
    });

  const keeper = new ConfigKeeper(options.source.name, {
    log,
    providers: builtProviders(Date.now),
    meters: new Map(),
    learned,
    gauges: new Map(),
    random: Math.random,
    now: () => new Date(),
    onEdit: (outcome, message) => options.source.tell?.(outcome === 'applied' ? { type: 'Normal', reason: 'ConfigReloaded', message } : { type: 'Warning', reason: 'ConfigRejected', message }),
    secret: (model, ref) => keys.key(model, ref),
    onApply: (runtime, before) => {
      const engine = before !== undefined && engineDiffers(before.config, runtime.config) ? engineFor(runtime.config) : undefined;
      dispatchers.retain(new Set(runtime.targets.map((target) => target.origin)));
      if (engine === undefined || before === undefined) return;
      // In the order of the edits, whichever engine is ready first; and not before there is one to replace.
      replaced = Promise.all([engine, replaced]).then(
        ([made]) => budgets!.replace(made),
        (error: Error) => log.error({ reason: error.message }, 'the new redis settings cannot be used; the old ones stay'),
      );
    },
  });

  const keys = new SecretFiles({
    inUse: keeper.inForce,
    env,
    readText,
    onChange: () => keeper.renew(),
    onProblem: (model, { message }, kept) =>
      kept ? log.warn({ model }, `the key of this model cannot be read again; the one in use stays: ${message}`) : log.error({ model }, `the key of this model cannot be used: ${message}`),
  });
  await options.source.open(
    (text) => keeper.take(text),
    (error) => keeper.fail(error),
  );
  budgets = new BudgetsHolder(await engineFor(keeper.runtime().config), { now: timer.now });
  opened.resolve();
  const lookingAtKeys = setInterval(() => keys.look(), options.keyFilesMs ?? KEY_FILES_MS).unref();

  let sequence = 0;
  const newId = (): string => `${pod}.${(sequence++).toString(36)}`;
  const gateway = new Gateway({
    budgets: budgets.current,
    dispatchers,
    recorder,
    log,
    timer,
    held,
    newId,
    maxAgeMs: options.maxAgeMs,
    learned,
    flood,
    random: Math.random,
  });
  const data = dataPlane({
    runtime: keeper.runtime,
    gateway,
    recorder,
    readers: { chat: openAiRequestReader('chat'), completions: openAiRequestReader('completions'), embeddings: openAiRequestReader('embeddings') },
    passthrough: passthrough({ runtime: keeper.runtime, budgets: budgets.current, recorder, newId, now: timer.now, draining: () => draining, proxyEnv: { ...proxies } }),
    flood,
    limits: { bodyBytes: options.bodyBytes, bodyIdleMs: options.bodyIdleMs },
    held,
    timer,
    log,
    // A pod's label that is not there comes as an empty text.
    defaultApp: env['SPILLWAY_APP'] || undefined,
    draining: () => draining,
  });
  const statusDeps: StatusDeps = { version: VERSION, pod, runtime: keeper.runtime, configState: keeper.configState, watchState: () => options.source.state?.(), budgets: budgets.current, recorder, startedAt: new Date() };
  addGauges(instruments, statusDeps);
  const admin = adminPlane({ instruments, status: () => status(statusDeps), started: () => started, draining: () => draining, log });

  const servers: Server[] = [];
  const open = async (listener: RequestListener, address: Address, optional = false): Promise<Address | undefined> => {
    const server = createHttpServer(listener, { headersTimeoutMs: HEADERS_TIMEOUT_MS, keepAliveMs: KEEP_ALIVE_MS });
    const at = await listen(server, address, optional);
    if (at !== undefined) servers.push(server);
    return at;
  };
  const addresses: Address[] = [];
  let adminAddress: Address | undefined;
  try {
    for (const [i, address] of options.admin.entries()) adminAddress ??= await open(admin, address, i < options.admin.length - 1);
    for (const { optional, ...address } of options.listen) {
      const at = await open(data, address, optional);
      if (at !== undefined) addresses.push(at);
    }
  } catch (error) {
    await release();
    throw error;
  }
  started = true;

  async function release(): Promise<void> {
    options.source.close();
    clearInterval(lookingAtKeys);
    for (const server of servers) server.close().closeAllConnections();
    await replaced;
    await budgets?.close();
    await dispatchers.close();
  }

  return {
    listen: addresses,
    admin: adminAddress!,
    runtime: keeper.runtime,
    status: () => status(statusDeps),
    async close(graceMs) {
      draining = true;
      const until = timer.now() + graceMs;
      const dataServers = servers.slice(1);
      for (const server of dataServers) server.close();
      while (recorder.running > 0 && timer.now() < until) await later(DRAIN_POLL_MS);
      if (recorder.running > 0) log.warn({ running: recorder.running }, 'the grace time is over; running requests are broken off');
      for (const server of dataServers) server.closeAllConnections();
      while (recorder.running > 0 && timer.now() < until + graceMs) await later(DRAIN_POLL_MS);
      await release();
    },
  };
}

function engineDiffers(before: Config, after: Config): boolean {
  return JSON.stringify([before.redis, before.budgets]) !== JSON.stringify([after.redis, after.budgets]);
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
