/**
 * One rate dimension of one budget, in memory. The same rules as lua/include/ring.lua, told in another way (no running
 * sum, no lazily cleared slots), so that comparing the two engines means something.
 */
import { indexAt, leavesAt, ringSize, type WindowShape } from '../wire/window.ts';

export class Ring {
  readonly #shape: WindowShape;
  readonly #slots: number[];
  /** Newest sub-bucket index; never decreases, so a clock that goes back adds no room. */
  #top = -1;
  #summedFrom = -1;
  #sum = 0;

  constructor(shape: WindowShape) {
    this.#shape = shape;
    this.#slots = Array.from({ length: ringSize(shape) }, () => 0);
  }

  /** The sub-bucket that a charge at `now` goes to. */
  index(now: number): number {
    return Math.max(indexAt(this.#shape, now), this.#top);
  }

  used(now: number): number {
    const first = this.#first(now);
    // Asked several times a request, and changed within one second by what is added: summed up once a second.
    if (first !== this.#summedFrom) {
      let sum = 0;
      for (let index = first; index <= this.#top; index += 1) sum += this.#value(index);
      this.#summedFrom = first;
      this.#sum = sum;
    }
    return this.#sum;
  }

  add(amount: number, now: number): void {
    this.addAt(this.index(now), amount, now);
  }

  /** Adds to an older sub-bucket, if that still counts. */
  addAt(index: number, amount: number, now: number): void {
    if (amount <= 0 || index < this.#first(now)) return;
    const top = this.index(now);
    const cleared = Math.max(this.#top + 1, top - this.#shape.steps);
    for (let k = cleared; k <= top; k += 1) this.#slots[k % this.#slots.length] = 0;
    this.#top = top;
    this.#slots[index % this.#slots.length]! += amount;
    this.#changed(amount, now);
  }

  /** Gives back to the sub-bucket that it was taken from, if that still counts; never below zero. */
  giveBack(index: number, amount: number, now: number): void {
    if (index > this.#top || index < this.#first(now)) return;
    const back = Math.min(amount, this.#value(index));
    this.#slots[index % this.#slots.length]! -= back;
    this.#changed(-back, now);
  }

  /** What counts, by sub-bucket. */
  entries(now: number): [index: number, amount: number][] {
    const found: [number, number][] = [];
    for (let index = this.#first(now); index <= this.#top; index += 1)
      if (this.#value(index) > 0) found.push([index, this.#value(index)]);
    return found;
  }

  /** Milliseconds until the ring holds `room` or less. */
  waitFor(room: number, now: number): number {
    if (room === 0) return this.resetMs(now);
    let left = this.used(now);
    for (let index = this.#first(now); left > room && index <= this.#top; index += 1) {
      left -= this.#value(index);
      if (left <= room) return leavesAt(this.#shape, index) - now;
    }
    return 0;
  }

  /** Milliseconds until the ring is empty. */
  resetMs(now: number): number {
    for (let index = this.#top; index >= this.#first(now); index -= 1)
      if (this.#value(index) > 0) return leavesAt(this.#shape, index) - now;
    return 0;
  }

  #changed(by: number, now: number): void {
    if (this.#summedFrom === this.#first(now)) this.#sum += by;
    else this.#summedFrom = -1;
  }

  #first(now: number): number {
    return Math.max(0, this.index(now) - this.#shape.steps);
  }

  #value(index: number): number {
    return index > this.#top - this.#slots.length ? this.#slots[index % this.#slots.length]! : 0;
  }
}
