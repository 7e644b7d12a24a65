/** Where one request stands with its models: which may still be asked, in which order, and why the others did not serve. */
import type { Decision } from '../budgets/types.ts';
import { passedOver, seen } from '../decide/gauge.ts';
import type { Reason } from '../wire/reasons.ts';
import type { Head } from '../upstream/types.ts';
import type { Charge } from './charge.ts';
import type { Exchange } from './exchange.ts';
import type { Order } from './order.ts';
import { triedFor, type Tried } from './respond.ts';
import type { Target } from './runtime.ts';

export class Journey {
  /** Each model once, with its last reason, in the order in which they stand to serve. */
  readonly tried: Tried[] = [];
  /** Whose place it would have been to serve. */
  readonly first: Target;
  /** Upstream calls made. */
  attempts = 0;
  /** Time spent on upstreams, in ms. */
  upstreamMs = 0;
  /** Time spent waiting because it was told to, in ms. */
  waitedMs = 0;
  /** Time spent waiting in all, back-off too. */
  pausedMs = 0;
  /** How often the model that is being asked was asked again. */
  retries = 0;
  /** What a model said of the request itself, when others were asked instead. */
  said: { readonly head: Head; readonly body: Buffer; readonly charge: Charge } | undefined;
  private readonly exchange: Exchange;
  private order: readonly Target[];
  /** Before it, all of the order were asked or passed over. */
  private at = 0;
  /** Failed, and left for good. */
  private readonly left: Target[] = [];
  private readonly used = { context: false, content: false };

  constructor(exchange: Exchange, { first, targets, tooSmall, instead }: Order) {
    this.exchange = exchange;
    this.order = targets;
    this.first = first;
    this.used.context = instead;
    for (const { name } of tooSmall) this.note({ model: name, reason: 'context_window', waitMs: -1 });
  }

  /** Why the first model did not serve, if another one does. */
  reasonFor(target: Target | undefined): Reason | undefined {
    return target === this.first || this.tried.length === 0 ? undefined : (this.tried.find(({ model }) => model === this.first.name) ?? this.tried[0]!).reason;
  }

  /** Whose turn it may be, in order. Who can never serve this request is left out, and it is said why. */
  asked(): readonly Target[] {
    const { order, at } = this;
    if (this.areAllOpen()) return at === 0 ? order : order.slice(at);
    return order.slice(at).filter((target) => {
      if (this.left.includes(target)) return false;
      const reason = this.unusable(target);
      if (reason !== undefined) this.note({ model: target.name, reason, waitMs: undefined });
      return reason === undefined;
    });
  }

  /** Everyone before the chosen one was passed over. @param beside it is asked while another one is */
  decided(asked: readonly Target[], { chosen, refusals, levels }: Decision, now: number, beside: boolean): void {
    const isShared = this.exchange.route.stages !== undefined;
    for (let i = 0; i < refusals.length; i++) {
      this.note(triedFor(asked[i]!.name, refusals[i]!));
      if (isShared) passedOver(asked[i]!.gauge, refusals[i]!, now);
    }
    const target = asked[chosen];
    if (target === undefined) return;
    if (isShared) seen(target.gauge, levels, now);
    if (!beside) this.turnTo(target);
  }

  /** Of this one it is now whether it serves. */
  turnTo(target: Target): void {
    const place = this.order.indexOf(target);
    if (place !== this.at) this.retries = 0;
    this.at = place;
  }

  /** Who was chosen last. */
  get lastAsked(): Target | undefined {
    return this.order[this.at] ?? this.left.at(-1);
  }

  /** Who else may be asked while the chosen one is. */
  others(): readonly Target[] {
    return this.order.slice(this.at + 1).filter((target) => this.isOpen(target));
  }

  get hasNext(): boolean {
    return this.order.some((target, i) => i > this.at && this.isOpen(target));
  }

  /** Configured, and not used yet. */
  get fallbacks(): { readonly context: boolean; readonly content: boolean } {
    const { route, noFallback } = this.exchange;
    const has = (kind: 'context' | 'content'): boolean => !noFallback && !this.used[kind] && route.instead[kind].length > 0;
    return { context: has('context'), content: has('content') };
  }

  failed(target: Target, reason: Reason, waitMs: number | undefined): void {
    this.note({ model: target.name, reason, waitMs });
  }

  /** The model that failed is not asked again. */
  leave(): void {
    const failed = this.order[this.at];
    if (failed !== undefined) this.left.push(failed);
    this.at += 1;
    this.retries = 0;
  }

  hasFailed(target: Target): boolean {
    return this.left.includes(target);
  }

  /** Of two that were asked at once this one failed. */
  leaveOut(failed: Target): void {
    this.left.push(failed);
  }

  /** Instead of the rest, these. */
  switchTo(kind: 'context' | 'content', targets: readonly Target[]): void {
    this.leave();
    this.used[kind] = true;
    this.order = targets.filter((target) => !this.left.includes(target));
    this.at = 0;
  }

  /** Who was only passed over may be asked again. @returns false if there is nobody */
  reopen(): boolean {
    if (this.left.length > 0) this.order = this.order.filter((target) => !this.left.includes(target));
    this.at = 0;
    this.retries = 0;
    return this.order.length > 0;
  }

  /** Of those who may be asked again, why they were passed over. */
  refusals(): readonly Tried[] {
    return this.tried.filter(({ model }) => this.order.some((target) => target.name === model && !this.left.includes(target)));
  }

  private note(tried: Tried): void {
    const { tried: all } = this;
    const known = all.findIndex(({ model }) => model === tried.model);
    if (known >= 0) {
      all[known] = tried;
      return;
    }
    // One that can never serve is known before those in front of it are asked.
    const place = this.placeOf(tried.model);
    const behind = all.findIndex(({ model }) => this.placeOf(model) > place);
    if (behind < 0) all.push(tried);
    else all.splice(behind, 0, tried);
  }

  /** Those of an earlier order come before all of the present one. */
  private placeOf(model: string): number {
    return this.order.findIndex(({ name }) => name === model);
  }

  private areAllOpen(): boolean {
    const { order, at } = this;
    for (let i = at; i < order.length; i++) if (!this.isOpen(order[i]!)) return false;
    return true;
  }

  private isOpen(target: Target): boolean {
    return !this.left.includes(target) && this.unusable(target) === undefined;
  }

  /** Vectors of another model are of another space, and would spoil the app's index: an embedding is made by the primary's model or not at all. */
  private unusable(target: Target): Reason | undefined {
    const { request, route } = this.exchange;
    if (target.unusable !== undefined || request.operation !== 'embeddings') return target.unusable;
    return target.upstream.model === route.targets[0]!.upstream.model ? undefined : 'untranslatable';
  }
}
