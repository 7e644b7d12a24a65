/** The loop of the road: decide, attempt, and either give the answer out or go on to the next model. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Actual, Budgets, Decision } from '../budgets/types.ts';
import { asksFor, UNKNOWN, UNSENT } from '../decide/asks.ts';
import { chargeOfFailure } from '../decide/settlement.ts';
import type { ModelRequest } from '../providers/types.ts';
import type { Log } from '../telemetry/log.ts';
import { Attempt } from '../upstream/attempt.ts';
import type { Outcome, UpstreamDeps } from '../upstream/types.ts';
import type { Dispatchers } from '../upstream/dispatchers.ts';
import type { Reason } from '../wire/reasons.ts';
import { giveAnswer, giveError, giveRefusal, giveStream } from './give-out.ts';
import { forwardable } from './headers.ts';
import { refusal, triedFor, type Tried } from './respond.ts';
import type { Recorder } from './record.ts';
import type { Route, Target } from './runtime.ts';

export interface GatewayDeps extends UpstreamDeps {
  /** The engine in force; a request keeps the one that it began with. */
  readonly budgets: () => Budgets;
  readonly dispatchers: Dispatchers;
  readonly recorder: Recorder;
  readonly log: Log;
  /** A new identity, unique over all pods. */
  readonly newId: () => string;
  /** How old a reservation may be when its request is written, in ms (docs/decisions/0002). */
  readonly maxAgeMs: number;
}

/** One request of the app, on its way. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly request: ModelRequest;
  readonly route: Route;
  readonly app: string | undefined;
  readonly noFallback: boolean;
  /** On the timer's clock: when the whole request was read, and when it must be over. */
  readonly startedAt: number;
  readonly deadlineAt: number;
  /** Told when the caller's connection is done with this answer: it has it all, or it left. */
  holder: Holder | undefined;
}

/** An object, not a function: closures that hang on a request outlive it until a full collection (measured: 10 KB a request). */
export interface Holder {
  closed(): void;
}

/** What is known of a request so far. */
export interface Progress {
  readonly tried: Tried[];
  attempts: number;
  /** Time spent waiting for upstreams, in ms. */
  waitedMs: number;
}

/** A call whose reservation is held: by whom it is answered and what it may be charged. */
export class Charge {
  readonly target: Target;
  readonly decision: Decision;
  private readonly budgets: Budgets;
  private readonly id: string;

  constructor(target: Target, decision: Decision, budgets: Budgets, id: string) {
    this.target = target;
    this.decision = decision;
    this.budgets = budgets;
    this.id = id;
  }

  settle(actual: Actual): void {
    this.budgets.settle(this.id, actual);
  }
}

export class Gateway {
  private readonly deps: GatewayDeps;

  constructor(deps: GatewayDeps) {
    this.deps = deps;
  }

  /** Answers the request, whatever happens; resolves when the answer is handed to the connection. */
  async serve(exchange: Exchange): Promise<void> {
    const { deps } = this;
    const { route, res } = exchange;
    const budgets = deps.budgets();
    const progress: Progress = { tried: [], attempts: 0, waitedMs: 0 };
    let rest = exchange.noFallback ? route.targets.slice(0, route.own) : route.targets;
    while (rest.length > 0) {
      if (res.destroyed) return deps.recorder.left(exchange, progress, undefined);
      if (progress.attempts >= route.policy.maxAttempts) break;
      if (deps.timer.now() >= exchange.deadlineAt) break;
      const sentAt = deps.timer.now();
      const id = deps.newId();
      // Models that can never be asked are passed over before any budget is.
      const asked = rest.filter((target) => unusableFor(target, exchange) === undefined);
      const deciding = decide(budgets, id, asked, exchange.request);
      // The engine in the process answers at once: then nothing is waited for.
      const decision = deciding instanceof Promise ? await deciding : deciding;
      deps.recorder.decided(deps.timer.now() - sentAt);
      const target = asked[decision.chosen];
      const passed = target === undefined ? rest.length : rest.indexOf(target);
      progress.tried.push(...whyPassed(rest.slice(0, passed), decision, exchange));
      if (target === undefined) break;
      const charge = new Charge(target, decision, budgets, id);
      if (res.destroyed) {
        charge.settle(UNSENT);
        return deps.recorder.left(exchange, progress, undefined);
      }
      const begun = deps.timer.now();
      const outcome = await this.attempt(target, exchange, begun, sentAt);
      progress.waitedMs += deps.timer.now() - begun;
      if (outcome.kind === 'stale') {
        charge.settle(UNSENT);
        rest = rest.slice(passed);
        continue;
      }
      progress.attempts++;
      if (outcome.kind === 'stream') return giveStream(outcome, charge, exchange, progress, deps);
      exchange.holder = undefined;
      if (this.conclude(outcome, charge, exchange, progress)) return;
      rest = rest.slice(passed + 1);
    }
    this.refuse(exchange, progress);
  }

  private attempt(target: Target, exchange: Exchange, begun: number, reservedAt: number): Promise<Outcome> {
    const { deps } = this;
    const { req, request, route, deadlineAt } = exchange;
    const { timeouts } = route.policy;
    const attempt = new Attempt(
      {
        dispatcher: deps.dispatchers.to(target.origin),
        origin: target.origin,
        path: target.basePath + target.provider!.paths[request.operation],
        provider: target.provider!,
        headers: [...forwardable(req.rawHeaders, req.headers.connection, target.headerNames), ...target.headers],
        body: request.bodyFor(target.upstream),
        request,
        timeouts: { ...timeouts, total: Math.min(timeouts.total, deadlineAt - begun) },
        freshUntil: reservedAt + deps.maxAgeMs,
      },
      deps,
    );
    exchange.holder = attempt;
    return attempt.start().outcome;
  }

  /** @returns true when the request has its answer, false when the next model is to be asked */
  private conclude(outcome: Exclude<Outcome, { kind: 'stale' | 'stream' }>, charge: Charge, exchange: Exchange, progress: Progress): boolean {
    const { deps } = this;
    switch (outcome.kind) {
      case 'answer':
        giveAnswer(outcome, charge, exchange, progress, deps);
        return true;
      case 'aborted':
        // The upstream took the request in: it has counted the tokens, and may work on.
        charge.settle(outcome.sent ? UNKNOWN : UNSENT);
        deps.recorder.left(exchange, progress, outcome.sent ? charge.target : undefined);
        return true;
      case 'failed': {
        const { failure, sent, head, body } = outcome;
        charge.settle(chargeOfFailure(sent, failure.reason));
        deps.recorder.attempted(charge.target, failure.reason ?? 'caller');
        if (!failure.divert && head !== undefined) {
          giveError(head, body!, charge, exchange, progress, deps);
          return true;
        }
        const reason: Reason = failure.reason ?? 'malformed_response';
        progress.tried.push({ model: charge.target.name, reason, waitMs: failure.retryAfterMs });
        deps.log.info({ group: exchange.route.group, model: charge.target.name, reason, status: head?.status }, 'attempt failed');
        return false;
      }
    }
  }

  private refuse(exchange: Exchange, progress: Progress): void {
    const { route, deadlineAt } = exchange;
    const late: Reason | undefined = this.deps.timer.now() >= deadlineAt ? 'timeout' : undefined;
    if (late !== undefined && progress.tried.length === 0) progress.tried.push({ model: route.targets[0]!.name, reason: late });
    giveRefusal(refusal(route.group, progress.tried, late), exchange, progress, this.deps);
  }
}

/** One line a model before the chosen one, in the chain's order. */
function whyPassed(passed: readonly Target[], { refusals }: Decision, exchange: Exchange): Tried[] {
  let next = 0;
  return passed.map((target) => {
    const reason = unusableFor(target, exchange);
    return reason === undefined ? triedFor(target.name, refusals[next++]!) : { model: target.name, reason };
  });
}

/** Vectors of another model are of another space, and would spoil the app's index: an embedding is made by the primary's model or not at all. */
function unusableFor(target: Target, { request, route }: Exchange): Reason | undefined {
  if (target.unusable !== undefined || request.operation !== 'embeddings') return target.unusable;
  return target.upstream.model === route.targets[0]!.upstream.model ? undefined : 'untranslatable';
}

const NOBODY: Decision = { chosen: -1, refusals: [], levels: [], replayed: false, by: 'process' };

/** The whole rest of the chain in one question. */
function decide(budgets: Budgets, id: string, targets: readonly Target[], request: ModelRequest): Decision | Promise<Decision> {
  if (targets.length === 0) return NOBODY;
  const candidates = targets.map(({ budget, limits, meter }) => ({ budget, asks: asksFor(limits, request, meter.ratio) }));
  return budgets.reserve(id, candidates);
}
