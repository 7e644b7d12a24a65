/** The answer's way up: headers, bytes, settlement, record. */
import type { ServerResponse } from 'node:http';
import { used } from '../decide/asks.ts';
import { estimateInput, learn } from '../decide/estimate.ts';
import type { Usage } from '../providers/types.ts';
import type { Head, Outcome } from '../upstream/types.ts';
import type { Charge, Exchange, GatewayDeps, Holder, Progress } from './gateway.ts';
import { returnable, servedHeaders } from './headers.ts';
import type { Result } from './record.ts';
import type { Target } from './runtime.ts';
import { brokenStreamEvent, type Refused } from './respond.ts';

const ONE_WRITE = 32 * 1024;

type AnswerOutcome = Extract<Outcome, { kind: 'answer' }>;
type StreamOutcome = Extract<Outcome, { kind: 'stream' }>;

export function giveAnswer(outcome: AnswerOutcome, charge: Charge, exchange: Exchange, progress: Progress, deps: GatewayDeps): void {
  const { res } = exchange;
  const { body, usage, head } = outcome;
  whenClosed(exchange, new Given(exchange, progress, charge.target, usage, outcome.held, deps));
  writeHead(head, charge, exchange, progress, deps, body.length);
  endWith(res, body);
  // After the answer is on its way. Without usage its own length speaks: four bytes a token.
  settleWith(usage, Math.ceil(body.length / 4), charge, exchange);
  deps.recorder.attempted(charge.target, undefined);
}

export async function giveStream(outcome: StreamOutcome, charge: Charge, exchange: Exchange, progress: Progress, deps: GatewayDeps): Promise<void> {
  const { res } = exchange;
  const { target } = charge;
  if (!res.destroyed) {
    writeHead(outcome.head, charge, exchange, progress, deps);
    deps.recorder.firstToken(exchange);
  }
  const end = await outcome.stream.pipe(res);
  settleWith(end.usage, end.counted, charge, exchange);
  const reason = end.failure?.reason ?? 'connection';
  deps.recorder.attempted(target, end.failure && reason);
  if (end.whole) res.end();
  else if (end.failure !== undefined) breakOff(res, outcome.head, target.name, reason);
  const broken = !end.whole && end.failure !== undefined;
  if (broken) deps.log.warn({ group: exchange.route.group, model: target.name, reason }, 'stream broke midway');
  const given = new Given(exchange, progress, target, end.usage, 0, deps);
  if (broken) given.result = 'broken';
  else if (!end.whole) given.result = 'client_left';
  whenClosed(exchange, given);
}

/** An answer that is handed to the connection: recorded when that is done with it. */
class Given implements Holder {
  result: Result | undefined;
  private readonly exchange: Exchange;
  private readonly progress: Progress;
  private readonly target: Target;
  private readonly usage: Usage | undefined;
  private readonly held: number;
  private readonly deps: GatewayDeps;

  constructor(exchange: Exchange, progress: Progress, target: Target, usage: Usage | undefined, held: number, deps: GatewayDeps) {
    this.exchange = exchange;
    this.progress = progress;
    this.target = target;
    this.usage = usage;
    this.held = held;
    this.deps = deps;
  }

  closed(): void {
    const { exchange, deps } = this;
    deps.held.give(this.held);
    const result = this.result ?? (exchange.res.writableFinished ? 'ok' : 'client_left');
    deps.recorder.served(exchange, this.progress, this.target, result, this.usage);
  }
}

/** A stream of events says that it broke; of anything else the transfer itself must be seen to break. */
function breakOff(res: ServerResponse, head: Head, model: string, reason: Parameters<typeof brokenStreamEvent>[1]): void {
  if (head.headers['content-type']?.includes('text/event-stream')) res.end(brokenStreamEvent(model, reason));
  else res.destroy();
}

/** The upstream's own words, where the fault is the request's own. */
export function giveError(head: Head, body: Buffer, charge: Charge, exchange: Exchange, progress: Progress, deps: GatewayDeps): void {
  writeHead(head, charge, exchange, progress, deps, body.length);
  exchange.res.end(body);
  deps.recorder.served(exchange, progress, charge.target, 'client_error', undefined);
}

export function giveRefusal(refused: Refused, exchange: Exchange, progress: Progress, deps: GatewayDeps): void {
  const { res, route } = exchange;
  deps.log.info({ group: route.group, status: refused.status, tried: progress.tried }, 'no model could serve');
  deps.recorder.refused(exchange, refused.reason);
  if (res.destroyed) return;
  const headers = [...refused.headers, 'x-spillway-group', route.group, 'x-spillway-attempts', String(progress.attempts), 'x-spillway-reason', refused.reason];
  res.writeHead(refused.status, headers).end(refused.body);
}

function writeHead(head: Head, charge: Charge, exchange: Exchange, progress: Progress, deps: GatewayDeps, length?: number): void {
  const { res, route, startedAt } = exchange;
  const overheadMs = Math.max(0, deps.timer.now() - startedAt - progress.waitedMs);
  deps.recorder.overhead(overheadMs);
  const headers = [
    ...returnable(head.headers),
    ...servedHeaders({
      model: charge.target.name,
      group: route.group,
      fallback: isFallback(exchange, charge),
      reason: progress.tried[0]?.reason,
      attempts: progress.attempts,
      overheadMs,
      levels: charge.decision.levels,
    }),
  ];
  if (length !== undefined) headers.push('content-length', String(length));
  res.writeHead(head.status, headers);
}

/** Another model of the group's own is no fallback. */
function isFallback({ route }: Exchange, { target }: Charge): boolean {
  return route.targets.indexOf(target) >= route.own;
}

function settleWith(usage: Usage | undefined, counted: number, charge: Charge, { request }: Exchange): void {
  const { meter } = charge.target;
  if (usage === undefined) return charge.settle(used(estimateInput(request, meter.ratio), counted));
  meter.ratio = learn(meter.ratio, request, usage.input);
  charge.settle(used(usage.input, usage.output));
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
function whenClosed(exchange: Exchange, holder: Holder): void {
  if (exchange.res.closed) holder.closed();
  else exchange.holder = holder;
}
