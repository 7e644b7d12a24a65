/** The caller's side: Express routes, a request read and handed to the gateway, every mistake answered. */
import express, { type ErrorRequestHandler, type Request, type RequestHandler, type Response } from 'express';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { UNKNOWN } from '../decide/asks.ts';
import { DRILL_NAMES, drillOf, type Drill } from '../decide/drill.ts';
import { estimateInput, FIRST_RATIO } from '../decide/estimate.ts';
import { NEUTRAL } from '../decide/report.ts';
import { SpillwayError } from '../errors.ts';
import type { ModelRequest, Operation, RequestReader } from '../providers/types.ts';
import type { Log } from '../telemetry/log.ts';
import { parseDuration } from '../wire/duration.ts';
import { headerOf } from '../wire/http.ts';
import { FLOOD_PER_SECOND, type FloodGuard } from './flood-guard.ts';
import type { Exchange } from './exchange.ts';
import type { Gateway } from './gateway.ts';
import { listModels, oneModel } from './models.ts';
import { checkHead, printable } from './read.ts';
import { sendError } from './respond.ts';
import type { Runtime } from './runtime.ts';
import { Taken, type Intake, type TakenDeps } from './taken.ts';

export interface DataPlaneDeps extends TakenDeps {
  /** The configuration in force; asked once a request, which keeps it to its end. */
  readonly runtime: () => Runtime;
  readonly gateway: Gateway;
  readonly readers: Readonly<Record<Operation, RequestReader>>;
  /** What else of the provider's API is forwarded. */
  readonly passthrough: RequestHandler;
  readonly flood: FloodGuard;
  readonly log: Log;
  /** The caller's name when no header gives one (SPILLWAY_APP). */
  readonly defaultApp: string | undefined;
  readonly draining: () => boolean;
}

const OPERATIONS: ReadonlyMap<string, Operation> = new Map([
  ['/v1/chat/completions', 'chat'],
  ['/v1/completions', 'completions'],
  ['/v1/embeddings', 'embeddings'],
]);

export function dataPlane(deps: DataPlaneDeps): RequestListener {
  const app = express();
  app.disable('x-powered-by').disable('etag').enable('case sensitive routing');
  const intakes = new Map<string, Intake>();
  for (const [path, operation] of OPERATIONS) {
    const intake = new Road(deps.readers[operation], deps);
    intakes.set(path, intake);
    app.post(path, (req, res) => answer(req, res, intake, deps));
    app.all(path, (req) => {
      throw new SpillwayError('method_not_allowed', [path, req.method, 'POST']);
    });
  }
  app.get('/v1/models', (_req, res) => listModels(res, deps.runtime()));
  app.get('/v1/models/:name', (req, res) => oneModel(req.params.name, res, deps.runtime()));
  app.use(deps.passthrough);
  app.use((req) => {
    throw new SpillwayError('unknown_path', [req.method, printable(req.path), servedPaths(deps.runtime())]);
  });
  const onError: ErrorRequestHandler = (error: unknown, _req, res, _next) => answerError(error, res, deps);
  app.use(onError);
  return (req, res) => {
    // The road itself, as every SDK names it, needs no routing (docs/decisions/0006).
    const intake = req.method === 'POST' ? intakes.get(req.url!) : undefined;
    if (intake !== undefined) return answer(req, res, intake, deps);
    // A target that Express cannot read comes past all of the above; its own page would be HTML.
    app(req as Request, res as Response, (error?: unknown) => answerError(error ?? unreadable(req, deps), res, deps));
  };
}

function servedPaths({ config }: Runtime): string {
  const posted = [...OPERATIONS.keys()].map((path) => `POST ${path}`);
  return [...posted, 'GET /v1/models', ...config.passthrough.paths.map((path) => `/v1/${path}`)].join(', ');
}

function answer(req: IncomingMessage, res: ServerResponse, intake: Intake, deps: DataPlaneDeps): void {
  try {
    if (deps.draining()) throw new SpillwayError('shutting_down', [], 1);
    checkHead(req);
    const app = appOf(req, deps);
    if (deps.flood.isFlooding(app ?? '')) throw new SpillwayError('too_many_refusals', [FLOOD_PER_SECOND], 1);
    new Taken(req, res, app, deps.runtime(), intake).read();
  } catch (error) {
    answerError(error, res, deps);
  }
}

/** What becomes of the requests of one operation. */
class Road implements Intake {
  readonly deps: DataPlaneDeps;
  private readonly read: RequestReader;

  constructor(read: RequestReader, deps: DataPlaneDeps) {
    this.read = read;
    this.deps = deps;
  }

  arrived(taken: Taken, body: Buffer): void {
    const { deps } = this;
    const { res, runtime } = taken;
    try {
      const startedAt = deps.timer.now();
      const request = this.read(body, runtime.known);
      const exchange = exchangeFor(taken, request, startedAt);
      taken.follow(exchange);
      deps.gateway.serve(exchange).catch((error: unknown) => {
        // A defect of ours; as long as this pod lives, it would renew what nobody settles.
        exchange.charge?.settle(UNKNOWN, NEUTRAL);
        answerError(error, res, deps);
      });
    } catch (error) {
      answerError(error, res, deps);
    }
  }

  refused({ res }: Taken, error: SpillwayError): void {
    sendError(res, error);
  }
}

/** `auto` is what the tasks make of it. */
function groupOf(req: IncomingMessage, request: ModelRequest, { tasks }: Runtime): string {
  if (request.model !== 'auto' || tasks === undefined) return request.model;
  const task = headerOf(req, 'x-spillway-task');
  return tasks({ task, text: () => request.promptText(), promptTokens: estimateInput(request, FIRST_RATIO) }).group;
}

function drillIn(req: IncomingMessage, { config }: Runtime): Drill | undefined {
  const header = headerOf(req, 'x-spillway-drill');
  const drill = drillOf(header, config.drills);
  if (drill === 'unknown') throw new SpillwayError('unknown_drill', [printable(header!), DRILL_NAMES]);
  return drill;
}

/** Whose request it is, if anybody says. */
function appOf(req: IncomingMessage, { defaultApp }: DataPlaneDeps): string | undefined {
  const app = headerOf(req, 'x-spillway-app') ?? defaultApp;
  return app === undefined ? undefined : printable(app);
}

function exchangeFor({ req, res, runtime, app }: Taken, request: ModelRequest, startedAt: number): Exchange {
  const route = runtime.routes.get(groupOf(req, request, runtime));
  if (route === undefined) throw new SpillwayError('model_not_found', [printable(request.model), runtime.known]);
  return {
    req,
    res,
    original: request,
    request,
    route,
    app,
    noFallback: headerOf(req, 'x-spillway-no-fallback') === 'true',
    startedAt,
    deadlineAt: startedAt + Math.min(route.policy.deadline, deadlineOf(req)),
    drill: drillIn(req, runtime),
    begun: undefined,
    reached: undefined,
    continueBy: undefined,
    holder: undefined,
    charge: undefined,
  };
}

function deadlineOf(req: IncomingMessage): number {
  const text = headerOf(req, 'x-spillway-deadline');
  if (text === undefined) return Infinity;
  const ms = parseDuration(text);
  if (ms === null || ms <= 0) throw new SpillwayError('invalid_deadline', [printable(text)]);
  return ms;
}

function answerError(error: unknown, res: ServerResponse, deps: DataPlaneDeps): void {
  if (error instanceof SpillwayError) return sendError(res, error);
  if (isBadPath(error)) return sendError(res, unreadable(res.req, deps));
  deps.log.error({ err: error }, 'a request failed inside the sidecar');
  sendError(res, new SpillwayError('internal_error'));
}

function unreadable({ method = '' }: IncomingMessage, { runtime }: DataPlaneDeps): SpillwayError {
  return new SpillwayError('unknown_path', [method, 'a path that is not valid', servedPaths(runtime())]);
}

/** Express' own refusal of a path with broken percent-encoding. */
function isBadPath(error: unknown): boolean {
  return error instanceof URIError;
}
