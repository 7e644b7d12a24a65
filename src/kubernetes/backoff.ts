/** Waiting longer after each failure, never in step with other pods: decorrelated jitter. */
import type { Time } from './time.ts';

export class Backoff {
  readonly #baseMs: number;
  readonly #capMs: number;
  readonly #random: Time['random'];
  #last: number;

  constructor(baseMs: number, capMs: number, random: Time['random']) {
    this.#baseMs = baseMs;
    this.#capMs = capMs;
    this.#random = random;
    this.#last = baseMs;
  }

  next(): number {
    const highest = Math.min(this.#capMs, this.#last * 3);
    this.#last = this.#baseMs + this.#random() * (highest - this.#baseMs);
    return this.#last;
  }

  reset(): void {
    this.#last = this.#baseMs;
  }
}
