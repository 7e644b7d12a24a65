/** The operator's side: read-only, holds no secret. */
import express, { type Express, type Request, type Response } from 'express';
import { CONTENT_TYPE, prometheusText } from '../telemetry/prometheus.ts';
import type { Instruments } from '../telemetry/instruments.ts';
import type { Log } from '../telemetry/log.ts';

export interface AdminDeps {
  readonly instruments: Instruments;
  readonly status: () => Promise<object>;
  /** Listening, with a valid configuration. Depends on no provider and on no Redis. */
  readonly started: () => boolean;
  readonly draining: () => boolean;
  readonly log: Log;
}

const PATHS = '/livez, /readyz, /startedz, /metrics, /status';

export function adminPlane(deps: AdminDeps): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag');
  app.get('/livez', (_req, res) => sendText(res, 200, 'ok'));
  app.get('/startedz', (_req, res) => (deps.started() ? sendText(res, 200, 'ok') : sendText(res, 503, 'starting')));
  app.get('/readyz', (_req, res) => {
    if (deps.draining()) sendText(res, 503, 'shutting down');
    else if (deps.started()) sendText(res, 200, 'ok');
    else sendText(res, 503, 'starting');
  });
  app.get('/metrics', async (_req, res) => {
    res.setHeader('content-type', CONTENT_TYPE);
    res.end(await prometheusText(deps.instruments));
  });
  app.get('/status', async (_req, res) => void res.json(await deps.status()));
  app.use((_req: Request, res: Response) => sendText(res, 404, `The admin port serves ${PATHS}.`));
  app.use((error: unknown, _req: Request, res: Response, _next: unknown) => {
    deps.log.error({ err: error }, 'the admin port failed on a request');
    if (res.headersSent) res.destroy();
    else sendText(res, 500, 'The sidecar failed on this request; its log has the details.');
  });
  return app;
}

function sendText(res: Response, status: number, text: string): void {
  res.status(status).type('text/plain').end(`${text}\n`);
}
