/** What is sent to one model for one request. */
import type { IncomingMessage } from 'node:http';
import type { Drill } from '../decide/drill.ts';
import type { Dispatchers } from '../upstream/dispatchers.ts';
import type { Call, Failed } from '../upstream/types.ts';
import type { Exchange } from './exchange.ts';
import { addForwardable } from './headers.ts';
import type { Target } from './runtime.ts';

/** @param isCut a drill: its stream breaks after the first content */
export function callOf(target: Target, exchange: Exchange, begun: number, freshUntil: number, isCut: boolean, dispatchers: Dispatchers): Call {
  const { req, request, route, deadlineAt } = exchange;
  const { timeouts, streamRecovery } = route.policy;
  return {
    dispatcher: dispatchers.to(target.origin),
    origin: target.origin,
    path: target.basePath + target.provider!.paths[request.operation],
    provider: target.provider!,
    headers: headersFor(target, req),
    body: request.bodyFor(target.upstream),
    request,
    timeouts,
    totalMs: Math.min(timeouts.total, deadlineAt - begun),
    freshUntil,
    recovery: streamRecovery,
    cut: isCut,
  };
}

function headersFor({ headers, headerNames }: Target, req: IncomingMessage): string[] {
  const list: string[] = [];
  addForwardable(list, req.rawHeaders, req.headers.connection, headerNames);
  for (const text of headers) list.push(text);
  return list;
}

/** What the model would have answered, had the drill been true. */
export function drilled({ reason }: Drill): Failed {
  const divert = reason !== 'context_window' && reason !== 'content_policy';
  return { kind: 'failed', failure: { reason, divert }, sent: false, silent: reason === 'timeout' };
}
