/**
 * What else of the provider's API an app uses (files, batches, audio …): forwarded as it is to the upstream of the model that
 * `x-spillway-model` names, with that model's key, for one request of its budget. Never diverted: what was uploaded to one
 * provider is not at another.
 */
import type { RequestHandler } from 'express';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Budgets } from '../budgets/types.ts';
import { callAsks, UNKNOWN, UNSENT } from '../decide/asks.ts';
import { SpillwayError } from '../errors.ts';
import { headerOf } from '../wire/http.ts';
import { isForwardable, isReturnable, namedBy, servedHeaders } from './headers.ts';
import { printable } from './read.ts';
import type { Recorder } from './record.ts';
import { refusal, triedFor } from './respond.ts';
import type { Runtime, Target } from './runtime.ts';

export interface PassthroughDeps {
  readonly runtime: () => Runtime;
  readonly budgets: () => Budgets;
  readonly recorder: Recorder;
  readonly newId: () => string;
  readonly now: () => number;
  readonly draining: () => boolean;
  /** The environment's proxy settings, as Node's agents read them. */
  readonly proxyEnv: Readonly<Record<string, string | undefined>>;
}

type Forward = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

/** Loads the proxy when the first such request comes. */
export function passthrough(deps: PassthroughDeps): RequestHandler {
  const targets = new WeakMap<IncomingMessage, Target>();
  let loading: Promise<Forward> | undefined;
  return async (req, res, next) => {
    const runtime = deps.runtime();
    const first = /^\/v1\/([^/?]+)/.exec(req.path)?.[1];
    if (first === undefined || !runtime.config.passthrough.paths.includes(first)) return next();
    if (deps.draining()) throw new SpillwayError('shutting_down', [], 1);
    const target = targetOf(req, runtime);
    loading ??= load(targets, deps);
    const forward = await loading;
    const startedAt = deps.now();
    const id = deps.newId();
    const budgets = deps.budgets();
    const decision = await budgets.reserve(id, [{ budget: target.budget, asks: callAsks(target.limits) }]);
    if (decision.chosen < 0) {
      const refused = refusal(target.name, [triedFor(target.name, decision.refusals[0]!)]);
      deps.recorder.passed(target, refused.reason);
      res.writeHead(refused.status, refused.headers).end(refused.body);
      return;
    }
    deps.recorder.running++;
    try {
      targets.set(req, target);
      setOwnHeaders(req, target);
      const overheadMs = deps.now() - startedAt;
      const own = servedHeaders({ model: target.name, group: target.name, fallback: false, reason: undefined, attempts: 1, overheadMs, levels: decision.levels });
      for (let i = 0; i < own.length; i += 2) res.setHeader(own[i]!, own[i + 1]!);
      await forward(req, res);
      await closed(res);
      budgets.settle(id, UNKNOWN);
      deps.recorder.passed(target, undefined);
    } catch {
      budgets.settle(id, res.headersSent ? UNKNOWN : UNSENT);
      deps.recorder.passed(target, 'connection');
      if (res.headersSent) res.destroy();
      else unreachable(res, target);
    } finally {
      deps.recorder.running--;
    }
  };
}

function targetOf(req: IncomingMessage, runtime: Runtime): Target {
  const models = runtime.targets.map(({ name }) => name).join(', ');
  const name = headerOf(req, 'x-spillway-model');
  if (name === undefined) throw new SpillwayError('missing_passthrough_model', [models]);
  const target = runtime.targets.find((one) => one.name === name);
  if (target === undefined) throw new SpillwayError('unknown_passthrough_model', [printable(name), models]);
  if (target.unusable !== undefined) throw new SpillwayError('unusable_model', [name, target.unusable]);
  return target;
}

/** In the request itself, before the proxy sees it: whatever it forwards then holds no key of the app's. */
function setOwnHeaders(req: IncomingMessage, target: Target): void {
  const named = namedBy(req.headers.connection);
  for (const name of Object.keys(req.headers)) {
    if (!KEPT.has(name) && (!isForwardable(name) || named?.includes(name))) delete req.headers[name];
  }
  const { headers } = target;
  for (let i = 0; i < headers.length; i += 2) {
    // What the app can take, it may ask for: these bytes are not read.
    if (headers[i] !== 'accept-encoding') req.headers[headers[i]!] = headers[i + 1]!;
  }
}

/** The framing of the body, and what the answer may be encoded in. */
const KEPT = new Set(['content-length', 'transfer-encoding', 'content-encoding', 'accept-encoding', 'host']);

async function load(targets: WeakMap<IncomingMessage, Target>, { proxyEnv }: PassthroughDeps): Promise<Forward> {
  const { createProxyMiddleware } = await import('http-proxy-middleware');
  const agents = { keepAlive: true, proxyEnv } as const;
  const http = new HttpAgent(agents);
  const https = new HttpsAgent(agents);
  const proxies = new Map<string, ReturnType<typeof createProxyMiddleware>>();
  const proxyTo = (origin: string): ReturnType<typeof createProxyMiddleware> => {
    let proxy = proxies.get(origin);
    if (proxy === undefined) {
      proxy = createProxyMiddleware({
        target: origin,
        changeOrigin: true,
        agent: origin.startsWith('https:') ? https : http,
        pathRewrite: (path, req) => targets.get(req)!.basePath + path.replace(/^\/v1(?=\/)/, ''),
        // Its own error page names the target; ours is written by whoever called.
        ejectPlugins: true,
        on: {
          proxyRes: ({ headers }) => {
            for (const name of Object.keys(headers)) if (!isReturnable(name) && !KEPT_BACK.has(name)) delete headers[name];
          },
        },
      });
      proxies.set(origin, proxy);
    }
    return proxy;
  };
  return (req, res) =>
    new Promise((resolve, reject) => {
      // It calls back only for an error.
      void proxyTo(targets.get(req)!.origin)(req, res, reject).then(resolve, reject);
    });
}

const KEPT_BACK = new Set(['content-length', 'content-encoding', 'transfer-encoding', 'date']);

function unreachable(res: ServerResponse, { name }: Target): void {
  for (const header of ['x-spillway-attempts', 'content-length']) res.removeHeader(header);
  const refused = refusal(name, [{ model: name, reason: 'connection' }]);
  if (!res.destroyed) res.writeHead(refused.status, refused.headers).end(refused.body);
}

function closed(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (res.writableFinished || res.destroyed) return resolve();
    res.once('close', resolve);
  });
}
