/** A streamed answer's way up; and where it broke midway, how it goes on with another model or ends. */
import type { ServerResponse } from 'node:http';
import { soFar } from '../decide/asks.ts';
import { NEUTRAL, OK } from '../decide/report.ts';
import type { Outcome, StreamEnd } from '../upstream/types.ts';
import { firstOf } from '../wire/http.ts';
import type { Reason } from '../wire/reasons.ts';
import type { Charge } from './charge.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayDeps } from './gateway.ts';
import { Given, whenClosed, writeHead } from './give-out.ts';
import type { Journey } from './journey.ts';
import { brokenStreamEvent, continuedComment } from './respond.ts';
import type { Target } from './runtime.ts';
import { reportFor, settleWith } from './settle.ts';

type StreamOutcome = Extract<Outcome, { kind: 'stream' }>;

/** @returns false if it broke and another model is to go on from there: `exchange.request` is then what that one is asked */
export async function giveStream(outcome: StreamOutcome, charge: Charge, exchange: Exchange, journey: Journey, deps: GatewayDeps): Promise<boolean> {
  const { res } = exchange;
  const { target } = charge;
  if (!res.destroyed && exchange.begun === undefined) {
    writeHead(outcome.head, charge, exchange, journey, deps);
    deps.recorder.firstToken(exchange);
  }
  exchange.begun ??= { isEvents: firstOf(outcome.head.headers['content-type'])?.includes('text/event-stream') === true, models: [] };
  exchange.begun.models.push(target.name);
  charge.begun();
  const { ratio } = target.meter;
  charge.follow(() => soFar(exchange.request, ratio, outcome.stream.counted, target.limits.price));
  const end = await outcome.stream.pipe(res);
  settleStream(end, charge, exchange, deps);
  if (end.leftOut > 0) deps.log.warn({ group: exchange.route.group, model: target.name, events: end.leftOut }, 'damaged events of a stream were left out');
  if (end.whole) return finish(end, target, exchange, journey, deps);
  if (end.failure === undefined) return over('client_left', end, target, exchange, journey, deps);
  const reason = end.failure.reason ?? 'connection';
  deps.log.warn({ group: exchange.route.group, model: target.name, reason }, 'stream broke midway');
  journey.failed(target, reason, undefined);
  if (goesOn(end, exchange, journey)) {
    deps.held.give(end.held);
    return false;
  }
  return giveBroken(target, reason, end, exchange, journey, deps);
}

/** Nobody goes on with it: it says so, and can not be taken for a whole answer. @returns true: it is over */
export function giveBroken(target: Target, reason: Reason, end: StreamEnd | undefined, exchange: Exchange, journey: Journey, deps: GatewayDeps): true {
  breakOff(exchange.res, exchange.begun!.isEvents, target.name, reason);
  return over('broken', end, target, exchange, journey, deps);
}

function settleStream(end: StreamEnd, charge: Charge, exchange: Exchange, deps: GatewayDeps): void {
  const { failure, whole } = end;
  const broken = failure && { ...failure, reason: failure.reason ?? 'connection' };
  const says = whole ? OK : broken === undefined ? NEUTRAL : reportFor(broken, exchange, deps);
  settleWith(end.usage, end.counted, says, charge, exchange, deps);
  deps.recorder.attempted(charge.target, broken?.reason);
}

function finish(end: StreamEnd, target: Target, exchange: Exchange, journey: Journey, deps: GatewayDeps): true {
  const { res, begun } = exchange;
  if (begun!.models.length > 1) res.write(continuedComment(begun!.models, journey.tried));
  res.end();
  return over(undefined, end, target, exchange, journey, deps);
}

function over(result: 'broken' | 'client_left' | undefined, end: StreamEnd | undefined, target: Target, exchange: Exchange, journey: Journey, deps: GatewayDeps): true {
  const given = new Given(exchange, journey, target, end?.usage, end?.held ?? 0, deps);
  given.result = result;
  whenClosed(exchange, given);
  return true;
}

function goesOn({ soFar: reached, failure }: StreamEnd, exchange: Exchange, journey: Journey): boolean {
  const { res, route } = exchange;
  if (route.policy.streamRecovery !== 'continue' || reached === undefined || failure?.divert !== true || res.destroyed || !journey.hasNext) return false;
  journey.leave();
  exchange.reached = reached;
  exchange.continueBy = undefined;
  exchange.request = exchange.original.continued(reached, 'prefill');
  return true;
}

/** A stream of events says that it broke; of anything else the transfer itself must be seen to break. */
function breakOff(res: ServerResponse, isEvents: boolean, model: string, reason: Reason): void {
  if (isEvents) res.end(brokenStreamEvent(model, reason));
  else res.destroy();
}
