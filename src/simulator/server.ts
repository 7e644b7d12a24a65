/** Providers that behave like the real ones: their formats, limits and failures, on a socket of this machine. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readBody } from './body.ts';
import { createCallLog } from './call-log.ts';
import { control, CONTROL } from './control.ts';
import { countCall, endCall, newCall, type Core, type Exchange } from './exchange.ts';
import { createFaults } from './faults.ts';
import { createFiles } from './files.ts';
import { createModels } from './models.ts';
import { refusal, tooLarge } from './openai/errors.ts';
import { sendRefusal } from './openai/reply.ts';
import { findRoute, route } from './openai/routes.ts';
import { seeded } from './random.ts';
import type { Simulator, SimulatorOptions } from './types.ts';

export type * from './types.ts';
export type { Encoding } from './encoding.ts';
export type { Fault, FaultQueue, FaultSpec, QueuedFault } from './faults.ts';

/** Rejects with the error of listen(), e.g. code EADDRINUSE. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const core = createCore(options);
  const reset = (): void => {
    core.log.clear();
    core.faults.queue.clear();
    core.models.refill();
    core.files.clear();
  };
  // Longer than the pools of clients keep an idle connection: closing first would look like a fault.
  const server = createServer({ keepAliveTimeout: 120_000, requestTimeout: 0 }, (req, res) => {
    void serve(core, req, res, reset);
  });
  server.listen(options.port ?? 0, options.host ?? '127.0.0.1');
  await once(server, 'listening');
  const { address, family, port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    async close() {
      const closed = server.listening ? once(server, 'close') : undefined;
      server.close();
      server.closeAllConnections();
      await closed;
    },
    stats: core.log.stats,
    log: core.log.calls,
    faults: core.faults.queue,
    reset,
  };
}

function createCore(options: SimulatorOptions): Core {
  const random = options.random ?? seeded(1);
  return {
    // Date.now() with fractions, and never backwards.
    clock: options.clock ?? (() => performance.timeOrigin + performance.now()),
    random,
    apiKeys: options.apiKeys === undefined ? undefined : new Set(options.apiKeys),
    lenient: options.lenient ?? false,
    encoding: options.encoding,
    keepBodies: options.keepBodies ?? false,
    maxBodyBytes: options.maxBodyBytes ?? 50 * 1024 * 1024,
    prefix: options.prefix ?? '/v1',
    models: createModels(options.models),
    faults: createFaults(options.faults ?? [], random),
    files: createFiles(options.keepFileBytes ?? 256 * 1024 * 1024),
    log: createCallLog(options.logSize ?? 1_000_000),
  };
}

async function serve(core: Core, req: IncomingMessage, res: ServerResponse, reset: () => void): Promise<void> {
  const [path = '/'] = (req.url ?? '/').split('?', 1);
  if (path.startsWith(CONTROL)) return control(core, req, res, path, reset);
  const call = newCall(core, req, path);
  // Outside of the prefix there is nothing: '' matches no route.
  const inside = path.startsWith(`${core.prefix}/`) ? path.slice(core.prefix.length) : '';
  const exchange: Exchange = { core, req, res, path: inside, body: Buffer.alloc(0), call };
  // A reset connection speaks up here; who writes sees it as `destroyed`.
  res.on('error', () => undefined);
  const found = findRoute(exchange);
  // An upload is counted when it begins: whoever leaves midway is seen in the log.
  if (found?.streamed === true) countCall(core, call);
  else if (!(await bodyRead(exchange))) return;
  await route(exchange, found).catch((mistake: unknown) => sendRefusal(exchange, ownMistake(mistake)));
}

async function bodyRead(exchange: Exchange): Promise<boolean> {
  const { core, req, call } = exchange;
  const body = await readBody(req, core.maxBodyBytes);
  countCall(core, call);
  if ('problem' in body) {
    if (body.problem === 'client-left') endCall(exchange, 'client-left');
    else await sendRefusal(exchange, tooLarge(core.maxBodyBytes));
    return false;
  }
  exchange.body = body.bytes;
  if (core.keepBodies) call.body = body.bytes;
  return true;
}

/** No fault of the client, nor one that was asked for: the simulator itself is wrong. */
function ownMistake(mistake: unknown) {
  const what = mistake !== null && typeof mistake === 'object' && 'stack' in mistake ? mistake.stack : mistake;
  return refusal(500, `a mistake of the simulator itself: ${String(what)}`, 'simulator_bug', null, 'server_error');
}
