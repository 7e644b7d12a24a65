/**
 * After Redis was away, or was emptied, it does not decide at once: first all pods tell what they decided without it, or the
 * first one back would be given what the others have taken. Until then each decides alone, and tells that right away.
 */
import type { Timers } from './timers.ts';

export interface HomecomingOptions {
  readonly clock: () => number;
  readonly timers: Timers;
  readonly retryMs: number;
  /** Tells Redis what it has not been told. */
  readonly tell: () => void;
  readonly beat: () => void;
}

/** How long a pod that is back waits for the others, in retries: they probe once in each. */
const WAIT = 1.2;
/** How long pods tell what Redis took no notice of while it learned, in retries, before any of them asks. */
const TOLD = 0.2;
/** How long a decision waits for others to be told with: until it is told, it may be given once more. */
const TELL_MS = 1;

export class Homecoming {
  readonly #options: HomecomingOptions;
  /** 0: not alone. */
  #aloneUntil = 0;
  #learningUntil = 0;
  #telling = false;

  constructor(options: HomecomingOptions) {
    this.#options = options;
  }

  /** Redis may decide. */
  get isOver(): boolean {
    if (this.#aloneUntil > 0 && this.#options.clock() >= this.#aloneUntil) this.#aloneUntil = 0;
    return this.#aloneUntil === 0;
  }

  /** Redis takes no reservations, not even told ones. */
  get isLearning(): boolean {
    return this.#options.clock() < this.#learningUntil;
  }

  /** Redis is back. */
  begin(): void {
    this.#stay(WAIT * this.#options.retryMs);
  }

  /** Redis was emptied, and learns for so long. */
  learn(ms: number): void {
    if (ms <= 0) return;
    const { clock, timers, tell } = this.#options;
    this.#learningUntil = clock() + ms;
    timers.after(ms + 1, tell);
    this.#stay(ms + TOLD * this.#options.retryMs);
  }

  /** This pod decided alone although Redis answers. */
  decided(): void {
    if (this.#telling) return;
    this.#telling = true;
    this.#options.timers.after(TELL_MS, () => {
      this.#telling = false;
      this.#options.tell();
    });
  }

  #stay(ms: number): void {
    const { clock, timers, beat } = this.#options;
    const until = clock() + ms;
    if (until <= this.#aloneUntil) return;
    this.#aloneUntil = until;
    // Reads the grants of the whole fleet, and tells the rest.
    timers.after(ms + 1, beat);
  }
}
