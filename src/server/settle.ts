/** A call that is over: what it is charged, and what it says of its model. */
import type { Report } from '../budgets/types.ts';
import { soFar, UNKNOWN, UNSENT, used } from '../decide/asks.ts';
import { learn } from '../decide/estimate.ts';
import { NEUTRAL, reportOf } from '../decide/report.ts';
import { chargeOfFailure } from '../decide/settlement.ts';
import type { Failure, Usage } from '../providers/types.ts';
import type { Failed, Outcome } from '../upstream/types.ts';
import type { Charge } from './charge.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayDeps } from './gateway.ts';

export function settleWith(usage: Usage | undefined, counted: number, report: Report, charge: Charge, { request, app }: Exchange, deps: GatewayDeps): void {
  const { name, meter, limits } = charge.target;
  if (usage === undefined) return charge.settle(soFar(request, meter.ratio, counted, limits.price), report);
  meter.ratio = learn(meter.ratio, request, usage.input);
  deps.learned.observe(name, app, usage.output, request.outputs);
  charge.settle(used(usage.input, usage.output, limits.price), report);
}

/** Nothing of it was given out. */
export function settleFailed({ failure, sent, spent }: Failed, charge: Charge, exchange: Exchange, deps: GatewayDeps): void {
  const report = reportFor(failure, exchange, deps);
  if (spent !== undefined) settleWith(spent.usage, spent.counted, report, charge, exchange, deps);
  else charge.settle(chargeOfFailure(sent, failure.reason), report);
  deps.recorder.attempted(charge.target, failure.reason ?? 'caller');
}

/** It was given up. The upstream took the request in: it has counted the tokens, and may work on. */
export function settleAborted({ sent, spent }: Extract<Outcome, { kind: 'aborted' }>, charge: Charge, exchange: Exchange, deps: GatewayDeps): void {
  if (spent !== undefined) settleWith(spent.usage, spent.counted, NEUTRAL, charge, exchange, deps);
  else charge.settle(sent ? UNKNOWN : UNSENT, NEUTRAL);
}

/** A deadline of the caller's own that passed says nothing of the model, and neither does a drill. */
export function reportFor({ reason, retryAfterMs }: Failure, { route, deadlineAt, drill }: Exchange, { timer }: GatewayDeps): Report {
  const isOver = reason === 'timeout' && timer.now() >= deadlineAt;
  return isOver || drill !== undefined ? NEUTRAL : reportOf(reason, retryAfterMs, route.policy.breaker);
}
