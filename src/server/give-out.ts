/** The answer's way up: headers, bytes, settlement, record. */
import type { ServerResponse } from 'node:http';
import { OK } from '../decide/report.ts';
import type { Usage } from '../providers/types.ts';
import type { Head, Outcome } from '../upstream/types.ts';
import type { Charge } from './charge.ts';
import type { Exchange, Holder } from './exchange.ts';
import type { GatewayDeps } from './gateway.ts';
import type { Journey } from './journey.ts';
import { addReturnable, addServed } from './headers.ts';
import type { Result } from './record.ts';
import { isFallback, type Target } from './runtime.ts';
import type { Refused } from './respond.ts';
import { settleWith } from './settle.ts';

const ONE_WRITE = 32 * 1024;

type AnswerOutcome = Extract<Outcome, { kind: 'answer' }>;

export function giveAnswer(outcome: AnswerOutcome, charge: Charge, exchange: Exchange, journey: Journey, deps: GatewayDeps): void {
  const { res } = exchange;
  const { body, usage, head } = outcome;
  whenClosed(exchange, new Given(exchange, journey, charge.target, usage, outcome.held, deps));
  writeHead(head, charge, exchange, journey, deps, body.length);
  endWith(res, body);
  // After the answer is on its way. Without usage its own length speaks: four bytes a token.
  settleWith(usage, Math.ceil(body.length / 4), OK, charge, exchange, deps);
  deps.recorder.attempted(charge.target, undefined);
}

/** An answer that is handed to the connection: recorded when that is done with it. */
export class Given implements Holder {
  result: Result | undefined;
  private readonly exchange: Exchange;
  private readonly journey: Journey;
  private readonly target: Target;
  private readonly usage: Usage | undefined;
  private readonly held: number;
  private readonly deps: GatewayDeps;

  constructor(exchange: Exchange, journey: Journey, target: Target, usage: Usage | undefined, held: number, deps: GatewayDeps) {
    this.exchange = exchange;
    this.journey = journey;
    this.target = target;
    this.usage = usage;
    this.held = held;
    this.deps = deps;
  }

  closed(): void {
    const { exchange, deps } = this;
    deps.held.give(this.held);
    const result = this.result ?? (exchange.res.writableFinished ? 'ok' : 'client_left');
    deps.recorder.served(exchange, this.journey, this.target, result, this.usage);
  }
}

/** The upstream's own words, where the fault is the request's own. */
export function giveError(head: Head, body: Buffer, charge: Charge, exchange: Exchange, journey: Journey, deps: GatewayDeps): void {
  writeHead(head, charge, exchange, journey, deps, body.length);
  exchange.res.end(body);
  deps.recorder.served(exchange, journey, charge.target, 'client_error', undefined);
}

export function giveRefusal(refused: Refused, exchange: Exchange, journey: Journey, deps: GatewayDeps): void {
  const { res, route } = exchange;
  deps.log.info({ group: route.group, status: refused.status, tried: journey.tried }, 'no model could serve');
  deps.recorder.refused(exchange, refused.reason);
  deps.flood.refused(exchange.app ?? '');
  if (res.destroyed) return;
  const headers = [...refused.headers, 'x-spillway-group', route.group, 'x-spillway-attempts', String(journey.attempts), 'x-spillway-reason', refused.reason];
  res.writeHead(refused.status, headers).end(refused.body);
}

export function writeHead(head: Head, charge: Charge, exchange: Exchange, journey: Journey, deps: GatewayDeps, length?: number): void {
  const { res, route, startedAt } = exchange;
  const overheadMs = Math.max(0, deps.timer.now() - startedAt - journey.upstreamMs - journey.pausedMs);
  deps.recorder.overhead(overheadMs);
  const headers: string[] = [];
  addReturnable(headers, head.headers);
  addServed(headers, {
    model: charge.target.name,
    group: route.group,
    fallback: isFallback(route, charge.target),
    reason: journey.reasonFor(charge.target),
    attempts: journey.attempts,
    overheadMs,
    levels: charge.decision.levels,
  });
  if (length !== undefined) headers.push('content-length', String(length));
  res.writeHead(head.status, headers);
}

/**
 * Head and body in one write: Node joins them where the body is a text, and every byte is one character of latin1.
 * Measured: a tenth of the CPU of a small answer; a large one would only be copied.
 */
function endWith(res: ServerResponse, body: Buffer): void {
  if (body.length <= ONE_WRITE) res.end(body.toString('latin1'), 'latin1');
  else res.end(body);
}

/** Node closes a response once, when it is out or when nobody is there to take it. */
export function whenClosed(exchange: Exchange, holder: Holder): void {
  if (exchange.res.closed) holder.closed();
  else exchange.holder = holder;
}
