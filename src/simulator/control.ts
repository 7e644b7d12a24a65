/** The simulator's own paths, under /_sim/: not part of any provider's API, not in the log, without a key. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from './body.ts';
import type { Core } from './exchange.ts';
import { parseFault } from './fault-text.ts';

export const CONTROL = '/_sim/';

export async function control(core: Core, req: IncomingMessage, res: ServerResponse, path: string, reset: () => void): Promise<void> {
  const answer = (status: number, value: unknown): void => {
    const text = `${JSON.stringify(value)}\n`;
    res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    res.end(text);
  };
  switch (`${req.method} ${path}`) {
    case 'POST /_sim/faults': return addFaults(core, req, answer);
    case 'GET /_sim/faults': return answer(200, { faults: core.faults.queue.list().map(({ spec, left, used }) => ({ spec, left: finite(left), used })) });
    case 'DELETE /_sim/faults':
      core.faults.queue.clear();
      return answer(200, { ok: true });
    case 'GET /_sim/stats': return answer(200, statsOf(core));
    case 'POST /_sim/reset':
      reset();
      return answer(200, { ok: true });
    default: return answer(404, { error: `no such control: ${req.method} ${path}; there are POST, GET, DELETE /_sim/faults, GET /_sim/stats, POST /_sim/reset` });
  }
}

/** One fault or an array of them; all or none. */
async function addFaults(core: Core, req: IncomingMessage, answer: (status: number, value: unknown) => void): Promise<void> {
  const body = await readBody(req, 1_000_000);
  const json = 'bytes' in body ? parseJson(body.bytes.toString()) : undefined;
  if (json === undefined) return answer(400, { error: 'the body must be JSON' });
  const parsed = (Array.isArray(json) ? json : [json]).map(parseFault);
  for (const one of parsed) if ('problem' in one) return answer(400, { error: one.problem });
  for (const one of parsed) if ('spec' in one) core.faults.queue.add(one.spec);
  answer(200, { added: parsed.length });
}

function statsOf(core: Core) {
  const { calls, models } = core.log.stats();
  const windows = new Map(core.models.list().map((model) => [model.name, model.windowMs]));
  const shown = Object.entries(models).map(([name, { worstWindow, ...figures }]) => {
    const windowMs = windows.get(name) ?? 60_000;
    return [name, { ...figures, worstWindow: { windowMs, ...worstWindow(windowMs) } }];
  });
  return { calls, models: Object.fromEntries(shown) };
}

const finite = (left: number): number | 'forever' => (Number.isFinite(left) ? left : 'forever');

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
