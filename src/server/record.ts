/** What the road tells the instruments; nothing here waits or writes. */
import type { Refusal } from '../budgets/types.ts';
import { costOf } from '../decide/price.ts';
import type { Usage } from '../providers/types.ts';
import type { Instruments } from '../telemetry/instruments.ts';
import type { Counter } from '../telemetry/metrics.ts';
import type { Reason } from '../wire/reasons.ts';
import type { Exchange } from './exchange.ts';
import type { Journey } from './journey.ts';
import { isFallback, type Target } from './runtime.ts';

export type Result = 'ok' | 'client_error' | 'broken' | 'client_left';

/** What is learned of the last diversion of each group, for the status page. */
export interface LastDiversion {
  readonly from: string;
  readonly to: string;
  readonly reason: Reason;
  readonly at: Date;
}

interface Bound {
  readonly ok: Counter;
  /** What it served as the primary, by group. */
  readonly served: Map<string, Counter>;
  readonly input: Counter;
  readonly output: Counter;
  readonly cacheRead: Counter;
  readonly cacheWrite: Counter;
  readonly reasoning: Counter;
  readonly cost: Counter;
}

export class Recorder {
  readonly diversions = new Map<string, LastDiversion>();
  /** Requests taken in whose answer is not out yet. */
  running = 0;
  private readonly instruments: Instruments;
  private readonly now: () => number;
  private readonly bound = new Map<string, Bound>();

  /** @param now the monotonic clock of `Exchange.startedAt`, in ms */
  constructor(instruments: Instruments, now: () => number) {
    this.instruments = instruments;
    this.now = now;
  }

  decided(ms: number): void {
    this.instruments.decision.observe(ms / 1000);
  }

  overhead(ms: number): void {
    this.instruments.overhead.observe(ms / 1000);
  }

  firstToken({ startedAt }: Exchange): void {
    this.instruments.firstToken.observe((this.now() - startedAt) / 1000);
  }

  /** One upstream call is over. @param reason undefined for a success */
  attempted({ name }: Target, reason: Reason | 'caller' | undefined): void {
    if (reason === undefined) this.of(name).ok.value++;
    else if (reason === 'caller') this.instruments.attempts.with(name, 'client_error', '').value++;
    else this.instruments.attempts.with(name, 'failed', reason).value++;
  }

  /** Another model was quicker. */
  cancelled({ name }: Target): void {
    this.instruments.attempts.with(name, 'cancelled', '').value++;
  }

  served(exchange: Exchange, journey: Journey, target: Target, result: Result, usage: Usage | undefined): void {
    const { route } = exchange;
    const reason = journey.reasonFor(target);
    const fallback = isFallback(route, target);
    if (result === 'ok' && !fallback && reason === undefined) this.countServed(exchange, target.name);
    else this.count(exchange, target.name, result, fallback, reason);
    if (usage !== undefined) this.addUsage(target, usage);
    const primary = journey.first.name;
    if (reason === undefined) return;
    this.instruments.fallbacks.with(route.group, primary, target.name, reason).value++;
    this.diversions.set(route.group, { from: primary, to: target.name, reason, at: new Date() });
  }

  /** Budgets are not enforced, and this one had no room. */
  wouldDivert({ route }: Exchange, target: Target, { dimension }: Refusal): void {
    this.instruments.wouldDivert.with(route.group, target.name, dimension).value++;
  }

  /** A request that was only forwarded. */
  passed(target: Target, reason: Reason | undefined): void {
    if (reason === undefined || !reason.startsWith('budget_')) this.attempted(target, reason);
    this.instruments.requests.with(target.name, target.name, reason === undefined ? 'passed' : 'refused', 'false', reason ?? '').value++;
  }

  refused(exchange: Exchange, reason: Reason): void {
    this.count(exchange, '', 'refused', false, reason);
  }

  left(exchange: Exchange, journey: Journey, target: Target | undefined): void {
    if (target !== undefined) this.instruments.attempts.with(target.name, 'client_left', '').value++;
    this.count(exchange, target?.name ?? '', 'client_left', false, journey.tried[0]?.reason);
  }

  private countServed(exchange: Exchange, model: string): void {
    const { served } = this.of(model);
    const { group } = exchange.route;
    let counter = served.get(group);
    if (counter === undefined) served.set(group, (counter = this.requestsOf(group, model, 'ok', false, undefined)));
    counter.value++;
    this.time(exchange);
  }

  private count(exchange: Exchange, model: string, outcome: Result | 'refused', fallback: boolean, reason: Reason | undefined): void {
    this.requestsOf(exchange.route.group, model, outcome, fallback, reason).value++;
    this.time(exchange);
  }

  private requestsOf(group: string, model: string, outcome: Result | 'refused', fallback: boolean, reason: Reason | undefined): Counter {
    return this.instruments.requests.with(group, model, outcome, String(fallback), reason ?? '');
  }

  private time({ app, startedAt }: Exchange): void {
    this.instruments.duration.observe((this.now() - startedAt) / 1000);
    if (app !== undefined) this.instruments.appRequests.with(this.instruments.app(app)).value++;
  }

  private addUsage({ name, limits }: Target, usage: Usage): void {
    const bound = this.of(name);
    if (limits.price !== undefined) bound.cost.value += costOf(limits.price, usage.input, usage.output);
    bound.input.value += usage.input;
    bound.output.value += usage.output;
    bound.cacheRead.value += usage.cacheRead;
    bound.cacheWrite.value += usage.cacheWrite;
    bound.reasoning.value += usage.reasoning;
  }

  private of(model: string): Bound {
    let bound = this.bound.get(model);
    if (bound === undefined) {
      const { tokens, attempts, costs } = this.instruments;
      bound = {
        ok: attempts.with(model, 'ok', ''),
        served: new Map(),
        input: tokens.with(model, 'input'),
        output: tokens.with(model, 'output'),
        cacheRead: tokens.with(model, 'cache_read'),
        cacheWrite: tokens.with(model, 'cache_write'),
        reasoning: tokens.with(model, 'reasoning'),
        cost: costs.with(model),
      };
      this.bound.set(model, bound);
    }
    return bound;
  }
}
