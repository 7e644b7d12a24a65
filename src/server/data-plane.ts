/** The caller's side: Express routes, a request read and handed to the gateway, every mistake answered. */
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { SpillwayError } from '../errors.ts';
import type { ModelRequest, RequestReader } from '../providers/types.ts';
import type { Log } from '../telemetry/log.ts';
import type { CoarseTimer, Deadline } from '../wire/coarse-timer.ts';
import { parseDuration } from '../wire/duration.ts';
import type { HeldBytes } from '../wire/held-bytes.ts';
import type { Exchange, Gateway } from './gateway.ts';
import { CallerLeft, checkHead, printable, readBody, type Body, type ReadLimits } from './read.ts';
import type { Recorder } from './record.ts';
import { sendError } from './respond.ts';
import type { Runtime } from './runtime.ts';

export interface DataPlaneDeps {
  /** The configuration in force; asked once a request, which keeps it to its end. */
  readonly runtime: () => Runtime;
  readonly gateway: Gateway;
  readonly recorder: Recorder;
  readonly readChat: RequestReader;
  readonly limits: ReadLimits;
  readonly held: HeldBytes;
  readonly timer: CoarseTimer;
  readonly log: Log;
  /** The caller's name when no header gives one (SPILLWAY_APP). */
  readonly defaultApp: string | undefined;
  readonly draining: () => boolean;
}

const SERVED = 'POST /v1/chat/completions, GET /v1/models';

export function dataPlane(deps: DataPlaneDeps): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag').enable('case sensitive routing');
  app.post('/v1/chat/completions', (req, res) => chat(req, res, deps));
  app.all('/v1/chat/completions', (req) => {
    throw new SpillwayError('method_not_allowed', ['/v1/chat/completions', req.method, 'POST']);
  });
  app.get('/v1/models', (_req, res) => listModels(res, deps.runtime()));
  app.get('/v1/models/:name', (req, res) => oneModel(req.params.name, res, deps.runtime()));
  app.use((req) => {
    throw new SpillwayError('unknown_path', [req.method, printable(req.path), SERVED]);
  });
  const onError: ErrorRequestHandler = (error: unknown, _req, res, _next) => answerError(error, res, deps);
  app.use(onError);
  return app;
}

async function chat(req: Request, res: Response, deps: DataPlaneDeps): Promise<void> {
  const runtime = deps.runtime();
  if (deps.draining()) throw new SpillwayError('shutting_down', [], 1);
  checkHead(req);
  // From here on it is taken: a shutdown waits for the rest of its body, too.
  deps.recorder.running++;
  let body: Body | undefined;
  try {
    body = await readBody(req, deps.limits, deps.held, deps.timer);
    const startedAt = deps.timer.now();
    const request = deps.readChat(body.bytes, () => runtime.known);
    await serve(exchangeFor(req, res, request, runtime, startedAt, deps), deps);
  } finally {
    deps.recorder.running--;
    body?.release();
  }
}

/** A caller that does not take its answer is waited for as long, after its deadline, as one that does not bring its request. */
async function serve(exchange: Exchange, { gateway, limits, timer }: DataPlaneDeps): Promise<void> {
  const patience: Deadline = { at: exchange.deadlineAt + limits.bodyIdleMs, expire: () => void exchange.res.destroy() };
  timer.add(patience);
  try {
    await gateway.serve(exchange);
  } finally {
    timer.remove(patience);
  }
}

function exchangeFor(req: IncomingMessage, res: ServerResponse, request: ModelRequest, runtime: Runtime, startedAt: number, deps: DataPlaneDeps): Exchange {
  const route = runtime.routes.get(request.model);
  if (route === undefined) throw new SpillwayError('model_not_found', [printable(request.model), runtime.known]);
  const app = headerOf(req, 'x-spillway-app') ?? deps.defaultApp;
  return {
    req,
    res,
    request,
    route,
    app: app === undefined ? undefined : printable(app),
    noFallback: headerOf(req, 'x-spillway-no-fallback') === 'true',
    startedAt,
    deadlineAt: startedAt + Math.min(route.policy.deadline, deadlineOf(req)),
  };
}

function deadlineOf(req: IncomingMessage): number {
  const text = headerOf(req, 'x-spillway-deadline');
  if (text === undefined) return Infinity;
  const ms = parseDuration(text);
  if (ms === null || ms <= 0) throw new SpillwayError('invalid_deadline', [printable(text)]);
  return ms;
}

function headerOf(req: IncomingMessage, name: string): string | undefined {
  const value = req.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** In OpenAI's format: every name that an app may put in `model`. */
function listModels(res: Response, runtime: Runtime): void {
  res.json({ object: 'list', data: [...runtime.routes.keys()].map((id) => modelObject(id, runtime)) });
}

function oneModel(name: string, res: Response, runtime: Runtime): void {
  if (!runtime.routes.has(name)) throw new SpillwayError('model_not_found', [printable(name), runtime.known]);
  res.json(modelObject(name, runtime));
}

function modelObject(id: string, { loadedAt }: Runtime): object {
  return { id, object: 'model', created: Math.floor(loadedAt.getTime() / 1000), owned_by: 'spillway' };
}

function answerError(error: unknown, res: Response, deps: DataPlaneDeps): void {
  if (error instanceof CallerLeft) return void res.destroy();
  if (error instanceof SpillwayError) return sendError(res, error);
  if (isBadPath(error)) return sendError(res, new SpillwayError('unknown_path', [res.req.method, 'a path that is not valid', SERVED]));
  deps.log.error({ err: error }, 'a request failed inside the sidecar');
  sendError(res, new SpillwayError('internal_error'));
}

/** Express' own refusal of a path with broken percent-encoding. */
function isBadPath(error: unknown): boolean {
  return error instanceof URIError;
}

export interface ServerLimits {
  readonly headersTimeoutMs: number;
  readonly keepAliveMs: number;
}

/** Plain HTTP/1.1 with the limits against slow callers set. */
export function createHttpServer(listener: RequestListener, limits: ServerLimits): Server {
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      // A body has its own idle limit; a long upload that keeps moving is no attack.
      requestTimeout: 0,
      connectionsCheckingInterval: 1000,
      keepAliveTimeout: limits.keepAliveMs,
      noDelay: true,
    },
    listener,
  );
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
    const message = `The request is not valid HTTP/1.1 (${error.code ?? 'unknown'}).`;
    const body = JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code: 'invalid_http' } });
    socket.end(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`);
  });
  return server;
}
