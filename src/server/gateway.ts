/** The loop of the road: decide, attempt, and either give the answer out or go on to the next model. */
import type { Budgets, Candidate, Decision } from '../budgets/types.ts';
import { asksFor, UNSENT } from '../decide/asks.ts';
import { answered, firstToken } from '../decide/gauge.ts';
import type { LearnedOutput } from '../decide/learned-output.ts';
import { stepAfter } from '../decide/policy.ts';
import { NEUTRAL, OK } from '../decide/report.ts';
import { stepWhenNothingOpen, waitForPrimary } from '../decide/waits.ts';
import type { Log } from '../telemetry/log.ts';
import { Attempt } from '../upstream/attempt.ts';
import type { Failed, UpstreamDeps } from '../upstream/types.ts';
import type { Dispatchers } from '../upstream/dispatchers.ts';
import type { Reason } from '../wire/reasons.ts';
import { sized } from '../wire/sized.ts';
import { callOf, drilled } from './call.ts';
import { Charge, type Question } from './charge.ts';
import type { Exchange } from './exchange.ts';
import type { FloodGuard } from './flood-guard.ts';
import { giveAnswer, giveError, giveRefusal } from './give-out.ts';
import { giveBroken, giveStream } from './give-stream.ts';
import { isUnderWay, landedWithin, raced, settleLost, type Flight, type Landed } from './hedge.ts';
import { Journey } from './journey.ts';
import { ordered, orderOf } from './order.ts';
import { pause } from './pause.ts';
import { refusal } from './respond.ts';
import type { Recorder } from './record.ts';
import type { Hedging } from './runtime.ts';
import { settleAborted, settleFailed, settleWith } from './settle.ts';

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
  /** What answers have used. */
  readonly learned: LearnedOutput;
  readonly flood: FloodGuard;
  readonly random: () => number;
}

const LATE_MS = 10;

export class Gateway {
  private readonly deps: GatewayDeps;

  constructor(deps: GatewayDeps) {
    this.deps = deps;
  }

  /** Answers the request, whatever happens; resolves when the answer is handed to the connection. */
  async serve(exchange: Exchange): Promise<void> {
    const { deps } = this;
    const { res } = exchange;
    const { maxAttempts, wait } = exchange.route.policy;
    const journey = new Journey(exchange, orderOf(exchange, deps.timer.now(), deps.random));
    for (;;) {
      if (res.destroyed) return deps.recorder.left(exchange, journey, undefined);
      if (journey.attempts >= maxAttempts || deps.timer.now() >= exchange.deadlineAt) break;
      const sentAt = deps.timer.now();
      const deciding = this.decide(exchange, journey);
      const decided = deciding instanceof Promise ? await deciding : deciding;
      deps.recorder.decided(deps.timer.now() - sentAt);
      if (res.destroyed) {
        decided?.settle(UNSENT, NEUTRAL);
        return deps.recorder.left(exchange, journey, undefined);
      }
      if (wait > 0 && (await this.preferPrimary(decided, exchange, journey))) continue;
      if (decided === undefined) {
        if (await this.waitForRoom(exchange, journey)) continue;
        break;
      }
      const launched = this.launch(decided, exchange, journey, sentAt);
      const { hedging } = exchange.route;
      const { flight, outcome } = hedging === undefined ? { flight: launched, outcome: await launched.outcome } : await this.hedged(launched, hedging, exchange, journey);
      const { charge } = flight;
      exchange.charge = charge;
      const tookMs = deps.timer.now() - flight.begun;
      journey.upstreamMs += deps.timer.now() - launched.begun;
      if (outcome.kind === 'stale') {
        charge.settle(UNSENT, NEUTRAL);
        continue;
      }
      journey.attempts++;
      if (outcome.kind === 'stream') {
        firstToken(charge.target.gauge, tookMs, deps.timer.now());
        if (await giveStream(outcome, charge, exchange, journey, deps)) return;
        continue;
      }
      exchange.holder = undefined;
      if (outcome.kind === 'answer' && exchange.begun !== undefined) {
        // A stream goes on with a stream.
        deps.held.give(outcome.held);
        settleWith(outcome.usage, 0, OK, charge, exchange, deps);
        journey.failed(charge.target, 'malformed_response', undefined);
        journey.leave();
        continue;
      }
      if (outcome.kind === 'answer') {
        answered(charge.target.gauge, tookMs, deps.timer.now());
        return giveAnswer(outcome, charge, exchange, journey, deps);
      }
      if (outcome.kind === 'aborted') {
        settleAborted(outcome, charge, exchange, deps);
        return deps.recorder.left(exchange, journey, outcome.sent ? charge.target : undefined);
      }
      // As long at least: else a model that fell silent would look as quick as it was.
      if (outcome.silent) (exchange.request.stream ? firstToken : answered)(charge.target.gauge, tookMs, deps.timer.now());
      if (await this.afterFailure(outcome, charge, exchange, journey)) return;
    }
    this.refuse(exchange, journey);
  }

  /** The whole rest of the chain in one question. @param beside a model that is being asked @returns undefined if nothing is open */
  private decide(exchange: Exchange, journey: Journey, beside = false): Charge | undefined | Promise<Charge | undefined> {
    const asked = beside ? journey.others() : journey.asked();
    if (asked.length === 0) return undefined;
    const { deps } = this;
    const { request, route, app } = exchange;
    const budgets = deps.budgets();
    const id = deps.newId();
    const candidates = sized<Candidate>(asked.length);
    for (let i = 0; i < asked.length; i++) {
      const { name, budget, limits, meter } = asked[i]!;
      const asks = asksFor(limits, request, meter.ratio, route.output.tokens(name, app, request));
      candidates[i] = { model: name, budget, asks };
    }
    const deciding = budgets.reserve(id, candidates, route.reserving);
    const question = { id, budgets, asked, beside };
    // The engine in the process answers at once: then nothing is waited for.
    return deciding instanceof Promise ? this.later(deciding, question, exchange, journey) : this.decided(deciding, question, exchange, journey);
  }

  private async later(deciding: Promise<Decision>, question: Question, exchange: Exchange, journey: Journey): Promise<Charge | undefined> {
    return this.decided(await deciding, question, exchange, journey);
  }

  private decided(decision: Decision, question: Question, exchange: Exchange, journey: Journey): Charge | undefined {
    const { asked, beside } = question;
    const { timer, recorder } = this.deps;
    journey.decided(asked, decision, timer.now(), beside);
    const target = asked[decision.chosen];
    if (target === undefined) return undefined;
    if (decision.would !== null) recorder.wouldDivert(exchange, target, decision.would);
    return new Charge(target, decision, question);
  }

  /** `policy.wait`: rather the primary a little later than another model now. @returns whether it was waited for */
  private async preferPrimary(charge: Charge | undefined, exchange: Exchange, journey: Journey): Promise<boolean> {
    const { policy } = exchange.route;
    const { first } = journey;
    if (charge?.target === first) return false;
    const refusal = journey.refusals().find(({ model }) => model === first.name);
    const forMs = refusal === undefined ? 0 : waitForPrimary(refusal, journey.waitedMs, exchange.deadlineAt - this.deps.timer.now(), policy);
    if (forMs === 0) return false;
    charge?.settle(UNSENT, NEUTRAL);
    journey.reopen();
    await this.wait(forMs, exchange, journey);
    return true;
  }

  /** @returns true when the request has its answer */
  private async afterFailure(failed: Failed, charge: Charge, exchange: Exchange, journey: Journey): Promise<boolean> {
    const { deps } = this;
    const { target } = charge;
    const { route, deadlineAt, request } = exchange;
    const { failure, silent, head, body } = failed;
    settleFailed(failed, charge, exchange, deps);
    if (failure.reason === undefined && exchange.continueBy === 'prefill' && (head?.status === 400 || head?.status === 422)) {
      // It does not take an answer that is not finished: asked once more, otherwise.
      exchange.continueBy = 'instruction';
      return false;
    }
    const step = stepAfter({
      reason: failure.reason,
      retryAfterMs: failure.retryAfterMs,
      silent,
      primary: target === journey.first,
      retriesHere: journey.retries,
      attempts: journey.attempts,
      timeLeftMs: deadlineAt - deps.timer.now(),
      waitedMs: journey.waitedMs,
      hasNext: journey.hasNext,
      fallbacks: journey.fallbacks,
    }, route.policy, deps.random());
    deps.log.info({ group: route.group, model: target.name, reason: failure.reason, status: head?.status, step: step.do }, 'attempt failed');
    if (step.do === 'giveUp' && !failure.divert && head !== undefined && exchange.begun === undefined) {
      giveError(head, body!, charge, exchange, journey, deps);
      return true;
    }
    journey.failed(target, failure.reason ?? 'malformed_response', failure.retryAfterMs);
    switch (step.do) {
      case 'retry':
        await this.pause(step.afterMs, exchange, journey);
        journey.retries += 1;
        return false;
      case 'wait':
        await this.wait(step.forMs, exchange, journey);
        journey.retries += 1;
        return false;
      case 'next':
        journey.leave();
        exchange.continueBy = undefined;
        return false;
      case 'switch':
        if (head !== undefined) journey.said = { head, body: body!, charge };
        journey.switchTo(step.to, ordered(route.instead[step.to], deps.timer.now(), deps.random, request.stream));
        exchange.continueBy = undefined;
        return false;
      case 'giveUp':
        this.refuse(exchange, journey);
        return true;
    }
  }

  /** Nothing is open. @returns whether it is worth while to ask again */
  private async waitForRoom(exchange: Exchange, journey: Journey): Promise<boolean> {
    const { timer } = this.deps;
    const { attempts, waitedMs } = journey;
    const step = stepWhenNothingOpen({ refusals: journey.refusals(), timeLeftMs: exchange.deadlineAt - timer.now(), waitedMs, attempts }, exchange.route.policy);
    if (step.do === 'giveUp' || !journey.reopen()) return false;
    await this.wait(step.forMs, exchange, journey);
    return true;
  }

  /** Told to: by a provider, or by a budget. */
  private async wait(ms: number, exchange: Exchange, journey: Journey): Promise<void> {
    // What was told is counted by the engine from a moment later on.
    await this.pause(ms + LATE_MS, exchange, journey);
    journey.waitedMs += ms;
  }

  private async pause(ms: number, exchange: Exchange, journey: Journey): Promise<void> {
    const { timer } = this.deps;
    const from = timer.now();
    await pause(ms, exchange, timer);
    journey.pausedMs += timer.now() - from;
  }

  /** A model that is slow to its first token gets another one beside it. */
  private async hedged(first: Flight, { afterMs, share }: Hedging, exchange: Exchange, journey: Journey): Promise<Landed> {
    const { deps } = this;
    const { res, route } = exchange;
    if (journey.attempts === 0) share.earn();
    const landed = await landedWithin(first, afterMs, deps.timer);
    if (landed !== undefined) return landed;
    const alone = async (): Promise<Landed> => ({ flight: first, outcome: await first.outcome });
    // What goes on from another's text is asked of one model in its own way.
    const isAllowed = exchange.begun === undefined && journey.hasNext && journey.attempts + 2 <= route.policy.maxAttempts;
    if (!isAllowed || !share.spend()) return alone();
    const sentAt = deps.timer.now();
    const second = await this.decide(exchange, journey, true);
    if (second === undefined || res.destroyed || !(await isUnderWay(first))) {
      second?.settle(UNSENT, NEUTRAL);
      share.refund();
      return alone();
    }
    journey.attempts++;
    const flights = [first, this.launch(second, exchange, journey, sentAt)] as const;
    const winner = await raced(flights, exchange, (lost) => settleLost(lost, exchange, journey, deps));
    const { target } = winner.flight.charge;
    if (winner.flight !== first && !journey.hasFailed(first.charge.target)) journey.failed(first.charge.target, 'timeout', undefined);
    journey.turnTo(target);
    return winner;
  }

  private launch(charge: Charge, exchange: Exchange, journey: Journey, reservedAt: number): Flight {
    const { deps } = this;
    const { drill } = exchange;
    const begun = deps.timer.now();
    exchange.charge = charge;
    const isDrilled = drill !== undefined && charge.target === journey.first;
    if (isDrilled && !drill.cut) return { charge, attempt: undefined, outcome: Promise.resolve(drilled(drill)), begun };
    if (exchange.reached !== undefined) {
      exchange.continueBy ??= charge.target.continueBy;
      exchange.request = exchange.original.continued(exchange.reached, exchange.continueBy);
    }
    const attempt = new Attempt(callOf(charge.target, exchange, begun, reservedAt + deps.maxAgeMs, isDrilled, deps.dispatchers), deps);
    exchange.holder = attempt;
    return { charge, attempt, outcome: attempt.start().outcome, begun };
  }

  private refuse(exchange: Exchange, journey: Journey): void {
    const { route, deadlineAt } = exchange;
    const last = journey.tried.at(-1);
    if (exchange.begun !== undefined && last !== undefined) return void giveBroken(journey.lastAsked ?? journey.first, last.reason, undefined, exchange, journey, this.deps);
    const late: Reason | undefined = this.deps.timer.now() >= deadlineAt ? 'timeout' : undefined;
    if (late !== undefined && journey.tried.length === 0) journey.failed(journey.first, late, undefined);
    const refused = refusal(route.group, journey.tried, late);
    const { said } = journey;
    // The first model decides, and its words about the request are still the best.
    if (said !== undefined && refused.status === 400 && said.charge.target.name === journey.tried[0]!.model) return giveError(said.head, said.body, said.charge, exchange, journey, this.deps);
    giveRefusal(refused, exchange, journey, this.deps);
  }
}
