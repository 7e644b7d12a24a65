/**
 * What a budget cost in one kind of period. Calendar by Date, where lua/include/money.lua computes it, so that comparing
 * the two engines means something.
 */
import type { CostDimension } from './ops.ts';

const DAY_MS = 86_400_000;

export class Purse {
  readonly #kind: CostDimension;
  /** By period; only the newest and the one before. */
  readonly #costs = new Map<number, number>();
  /** Never decreases, so a clock that goes back adds no room. */
  #newest = -1;

  constructor(kind: CostDimension) {
    this.#kind = kind;
  }

  /** Days since 1970, or 12 x year + month counted from 0. */
  period(now: number): number {
    const date = new Date(now);
    const its = this.#kind === 'cost_day' ? Math.floor(now / DAY_MS) : date.getUTCFullYear() * 12 + date.getUTCMonth();
    return Math.max(its, this.#newest);
  }

  used(now: number): number {
    return this.#costs.get(this.period(now)) ?? 0;
  }

  add(amount: number, now: number): void {
    if (amount <= 0) return;
    this.#newest = this.period(now);
    for (const old of this.#costs.keys()) if (old < this.#newest - 1) this.#costs.delete(old);
    this.#costs.set(this.#newest, (this.#costs.get(this.#newest) ?? 0) + amount);
  }

  /** To the period that it was taken from, if that is this one or the one before; never below zero. */
  giveBack(period: number, amount: number, now: number): void {
    const cost = this.#costs.get(period);
    if (cost !== undefined && period >= this.period(now) - 1) this.#costs.set(period, Math.max(0, cost - amount));
  }

  /** Milliseconds until the period is over. */
  leftMs(now: number): number {
    const next = this.period(now) + 1;
    const end = this.#kind === 'cost_day' ? next * DAY_MS : Date.UTC(Math.floor(next / 12), next % 12);
    return end - now;
  }

  /** The newest period, its cost, and the cost of the one before. */
  get books(): readonly [newest: number, cost: number, before: number] {
    return [this.#newest, this.#costs.get(this.#newest) ?? 0, this.#costs.get(this.#newest - 1) ?? 0];
  }
}
