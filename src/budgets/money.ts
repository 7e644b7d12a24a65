/**
 * What a budget cost in one kind of period. Calendar by Date, where lua/include/money.lua computes it, so that comparing
 * the two engines means something.
 */
import type { CostDimension } from './ops.ts';

const DAY_MS = 86_400_000;

export class Purse {
  readonly #kind: CostDimension;
  /** Never decreases, so a clock that goes back adds no room. */
  #newest = -1;
  /** Of the newest period. */
  #cost = 0;
  /** Of the one before. */
  #before = 0;
  /** The calendar's period of the moment that was asked for last, and from when until when it is. */
  #calendar = 0;
  #from = 0;
  #until = 0;

  constructor(kind: CostDimension) {
    this.#kind = kind;
  }

  /** Days since 1970, or 12 x year + month counted from 0. */
  period(now: number): number {
    // Asked several times a request, and hardly ever another one than before.
    if (now < this.#from || now >= this.#until) this.#look(now);
    return Math.max(this.#calendar, this.#newest);
  }

  used(now: number): number {
    return this.period(now) === this.#newest ? this.#cost : 0;
  }

  add(amount: number, now: number): void {
    if (amount <= 0) return;
    const period = this.period(now);
    if (period !== this.#newest) {
      this.#before = period === this.#newest + 1 ? this.#cost : 0;
      this.#cost = 0;
      this.#newest = period;
    }
    this.#cost += amount;
  }

  /** To the period that it was taken from, if that is this one or the one before; never below zero. */
  giveBack(period: number, amount: number, now: number): void {
    if (period < this.period(now) - 1) return;
    if (period === this.#newest) this.#cost = Math.max(0, this.#cost - amount);
    else if (period === this.#newest - 1) this.#before = Math.max(0, this.#before - amount);
  }

  /** Milliseconds until the period is over. */
  leftMs(now: number): number {
    return this.#begin(this.period(now) + 1) - now;
  }

  /** The newest period, its cost, and the cost of the one before. */
  get books(): readonly [newest: number, cost: number, before: number] {
    return [this.#newest, this.#cost, this.#before];
  }

  #look(now: number): void {
    const date = new Date(now);
    this.#calendar = this.#kind === 'cost_day' ? Math.floor(now / DAY_MS) : date.getUTCFullYear() * 12 + date.getUTCMonth();
    this.#from = this.#begin(this.#calendar);
    this.#until = this.#begin(this.#calendar + 1);
  }

  #begin(period: number): number {
    return this.#kind === 'cost_day' ? period * DAY_MS : Date.UTC(Math.floor(period / 12), period % 12);
  }
}
