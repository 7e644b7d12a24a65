/**
 * What else of the provider's API an app uses (files, batches, audio …): forwarded as it is to the upstream of the model that
 * `x-spillway-model` names, with that model's key, for one request of its budget. Never diverted: what was uploaded to one
 * provider is not at another.
 */
import type { RequestHandler } from 'express';
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Budgets, Report } from '../budgets/types.ts';
import type { Policy } from '../config/types.ts';
import { callAsks, UNKNOWN, UNSENT } from '../decide/asks.ts';
import { NEUTRAL, OK, reportOf } from '../decide/report.ts';
import { SpillwayError } from '../errors.ts';
import { headerOf } from '../wire/http.ts';
import type { Reason } from '../wire/reasons.ts';
import { retryAfterMs } from '../wire/retry-after.ts';
import { addServed, isForwardable, isReturnable, namedBy } from './headers.ts';
import { printable } from './read.ts';
import type { Recorder } from './record.ts';
import { refusal, triedFor, type Tried } from './respond.ts';
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

interface Said {
  readonly reason: Reason | undefined;
  readonly retryAfterMs: number | undefined;
}

/** What is known of one call on its way. */
interface Call {
  readonly target: Target;
  readonly timeouts: Timeouts;
  /** The upstream may have seen it, and counted it. */
  sent: boolean;
  /** Why the upstream's answer is none, or not whole. */
  failure?: Reason;
  /** Ends the waiting for an answer. */
  broken?: (error: Error) => void;
  /** The upstream's answer, as far as its status says how the upstream is. */
  said?: Said;
}

type Timeouts = Runtime['config']['policy']['timeouts'];

/** Those of the providers' APIs; a TRACE, say, would show the model's key to the app. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Loads the proxy when the first such request comes. */
export function passthrough(deps: PassthroughDeps): RequestHandler {
  const calls = new WeakMap<IncomingMessage, Call>();
  let loading: Promise<Forward> | undefined;
  return async (req, res, next) => {
    const runtime = deps.runtime();
    const path = forwardedPath(req.url, runtime.config.passthrough.paths);
    if (path === undefined) return next();
    if (!METHODS.includes(req.method)) throw new SpillwayError('method_not_allowed', [printable(req.path), req.method, METHODS.join(', ')]);
    if (deps.draining()) throw new SpillwayError('shutting_down', [], 1);
    const target = targetOf(req, runtime);
    deps.recorder.running++;
    try {
      loading ??= load(calls, deps);
      const forward = await loading;
      const startedAt = deps.now();
      const id = deps.newId();
      const budgets = deps.budgets();
      const asking = [{ model: target.name, budget: target.budget, asks: callAsks(target.limits) }];
      const decision = await budgets.reserve(id, asking, { enforce: runtime.config.budgets.enforce });
      if (decision.chosen < 0) return refuse(req, res, target, triedFor(target.name, decision.refusals[0]!), deps);
      // Who left meanwhile would never be seen to leave.
      if (res.destroyed) return budgets.settle(id, UNSENT, NEUTRAL);
      const call: Call = { target, timeouts: runtime.config.policy.timeouts, sent: false };
      calls.set(req, call);
      setOwnHeaders(req, target);
      req.url = path;
      const overheadMs = deps.now() - startedAt;
      const own: string[] = [];
      addServed(own, { model: target.name, group: target.name, fallback: false, reason: undefined, attempts: 1, overheadMs, levels: decision.levels });
      for (let i = 0; i < own.length; i += 2) res.setHeader(own[i]!, own[i + 1]!);
      try {
        await forward(req, res);
        await closed(res);
      } catch {
        call.failure ??= 'connection';
      }
      budgets.settle(id, call.sent ? UNKNOWN : UNSENT, reportOfCall(call, runtime.config.policy.breaker));
      if (call.failure === undefined) deps.recorder.passed(target, undefined);
      else refuse(req, res, target, { model: target.name, reason: call.failure }, deps);
    } finally {
      deps.recorder.running--;
    }
  };
}

/** An address whole, as a caller may write it who takes the sidecar for a forward proxy. */
const ORIGIN = /^https?:\/\/[^/?#]*/i;
/** No segment is `.` or `..`, and nothing stands there in code that another server may read as a dot, a slash or an end. */
const PLAIN = /^(?:\/(?!\.{1,2}(?:[;/]|$))(?:[\w.~!$&'()*+,;=:@-]|%(?![01]|2[5ef]|5c|7f)[0-9a-f]{2})*)+$/i;

/** @returns path and query behind `/v1`; undefined for what is not served, or could be taken for another path */
function forwardedPath(url: string, paths: readonly string[]): string | undefined {
  const [, path, query = ''] = /^\/v1(\/[^?#]*)(\?[^#]*)?/.exec(url.replace(ORIGIN, '')) ?? [];
  if (path === undefined || !paths.some((one) => path === `/${one}` || path.startsWith(`/${one}/`))) return undefined;
  return PLAIN.test(path) ? path + query : undefined;
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

async function load(calls: WeakMap<IncomingMessage, Call>, { proxyEnv }: PassthroughDeps): Promise<Forward> {
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
        pathRewrite: (path, req) => calls.get(req)!.target.basePath + path,
        // Its own error page names the target; ours is written by whoever called.
        ejectPlugins: true,
        // `on` is one of the plugins that are left out.
        plugins: [
          (server) => {
            server.on('proxyReq', (outgoing, req, res) => watch(outgoing, res, calls.get(req)!));
            server.on('proxyRes', (answer, req, res) => {
              const call = calls.get(req)!;
              // Node throws when it is to write such a status, and nobody catches that.
              if (answer.statusCode! < 200) {
                call.failure = 'malformed_response';
                // At once: the proxy leaves alone what is answered already.
                give(req, res, call.target, { model: call.target.name, reason: call.failure });
                return void answer.destroy();
              }
              call.said = saidBy(answer);
              keepReturnable(answer, res);
              // Of a caller who left, the answer is given up after `res`.
              answer.once('error', () => {
                if (!res.destroyed) call.failure ??= 'connection';
              });
            });
          },
        ],
      });
      proxies.set(origin, proxy);
    }
    return proxy;
  };
  return (req, res) =>
    new Promise((resolve, reject) => {
      calls.get(req)!.broken = reject;
      // It calls back only for an error.
      void proxyTo(calls.get(req)!.target.origin)(req, res, reject).then(resolve, reject);
    });
}

/** Only what needs no look into the body; of a 4xx the request may be at fault. */
function saidBy({ statusCode = 0, headers }: IncomingMessage): Said {
  const reason = statusCode === 429 ? 'rate_limited' : statusCode >= 500 ? 'server_error' : undefined;
  return { reason, retryAfterMs: retryAfterMs((name) => headers[name] as string | undefined, Date.now) };
}

function reportOfCall({ failure, said }: Call, breaker: Policy['breaker']): Report {
  if (failure !== undefined) return reportOf(failure, undefined, breaker);
  if (said === undefined) return NEUTRAL;
  return said.reason === undefined ? OK : reportOf(said.reason, said.retryAfterMs, breaker);
}

const KEPT_BACK = new Set(['content-length', 'content-encoding', 'transfer-encoding', 'date']);

function keepReturnable(answer: IncomingMessage, res: ServerResponse): void {
  const { headers } = answer;
  const named = namedBy(headers.connection);
  for (const name of Object.keys(headers)) {
    if (!KEPT_BACK.has(name) && (!isReturnable(name) || named?.includes(name))) delete headers[name];
  }
  // The proxy would have it kept alive whatever the caller asked for.
  headers.connection = res.shouldKeepAlive ? 'keep-alive' : 'close';
  // Means nothing to anyone, and Node throws for some of its bytes.
  answer.statusMessage = '';
}

/** No silence is longer than a call may be: neither the upstream's nor that of a caller who brings or takes no more. */
function watch(outgoing: ClientRequest, res: ServerResponse, call: Call): void {
  // After a 101 that nobody asked for, Node closes the request and says neither that there is an answer nor an error.
  outgoing.once('close', () => {
    if (call.said === undefined && !res.headersSent && !res.destroyed) call.broken?.(new Error('closed without an answer'));
  });
  const giveUp = (): void => {
    call.failure = 'timeout';
    outgoing.destroy(new Error('timed out'));
  };
  outgoing.setTimeout(call.timeouts.total, giveUp);
  const { socket } = outgoing;
  if (socket?.connecting !== true) return void (call.sent = true);
  const timer = setTimeout(giveUp, call.timeouts.connect);
  socket.once('connect', () => {
    clearTimeout(timer);
    call.sent = true;
  });
  outgoing.once('close', () => clearTimeout(timer));
}

/** The sidecar's own answer; one of the model's that has begun is broken off. */
function refuse(req: IncomingMessage, res: ServerResponse, target: Target, tried: Tried, { recorder }: PassthroughDeps): void {
  recorder.passed(target, tried.reason);
  if (res.headersSent || res.destroyed) res.destroy();
  else give(req, res, target, tried);
}

function give(req: IncomingMessage, res: ServerResponse, target: Target, tried: Tried): void {
  const refused = refusal(target.name, [tried]);
  const attempts = res.hasHeader('x-spillway-attempts') ? '1' : '0';
  for (const header of res.getHeaderNames()) res.removeHeader(header);
  const headers = [...refused.headers, 'x-spillway-group', target.name, 'x-spillway-attempts', attempts, 'x-spillway-reason', refused.reason];
  // The rest of a body that was not read must not be taken for the next request.
  if (!req.complete) headers.push('connection', 'close');
  res.writeHead(refused.status, headers).end(refused.body);
}

function closed(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (res.writableFinished || res.destroyed) return resolve();
    res.once('close', resolve);
  });
}
