/** How long answers have been: a decayed histogram in logarithmic steps, and the quantile to reserve. */

/** Steps in a doubling of the length: what is reserved is at most 9 % above the quantile. */
const STEPS = 8;
/** Up to 2^20 tokens, more than any model writes. */
const BINS = 20 * STEPS + 1;
/**
 * Answers until one counts half. By count and not by time: it needs no clock, a quiet app keeps what is known of it, and a
 * busy one is followed fast.
 */
const HALF_LIFE = 256;
const GROWTH = 2 ** (1 / HALF_LIFE);
/** From here on the histogram is trusted; answers counted as decayed. */
const ENOUGH = 20;

/** One answer in ten may be longer than what was reserved … */
const MOST_LONGER = 0.1;
/** … but one in a hundred may in any case: a reservation for the longest of all would leave most of a budget unused. */
const LEAST_LONGER = 0.01;
/**
 * The share of all output tokens that may lie beyond what was reserved, before fewer answers may be longer. It keeps the share
 * under 2 %, but for tails so heavy that one answer in a hundred has more than that (3 % for lengths of a log-normal sigma of 1).
 */
const TOLERATED = 0.015;
/** Tightened tenfold within 45 answers, loosened as much within 230. */
const TIGHTEN = 0.95;
const LOOSEN = 1.01;

/** Beyond this all weights are scaled, so that the newest weighs 1 again. */
const HEAVY = 2 ** 20;

export class Histogram {
  /** Tokens to reserve; of meaning once `ready`. */
  reserve = 0;
  /** For the owner: when it was used last. */
  usedAt = 0;
  readonly #bins = new Float32Array(BINS);
  /** Of the newest answer. It grows, where the others would have to shrink. */
  #weight = 1;
  #total = 0;
  #longer = MOST_LONGER;
  /** Tokens of answers since it is trusted, and those beyond what was to be reserved. */
  #tokens = 0;
  #overrun = 0;

  get ready(): boolean {
    return this.#total >= ENOUGH * this.#weight;
  }

  observe(tokens: number): void {
    this.#weight *= GROWTH;
    if (this.#weight > HEAVY) this.#scale();
    if (this.ready) this.#judge(tokens);
    const bin = binOf(tokens);
    this.#bins[bin] = this.#bins[bin]! + this.#weight;
    this.#total += this.#weight;
    this.reserve = this.#quantile();
  }

  /** Was the last estimate long enough? */
  #judge(tokens: number): void {
    this.#tokens += this.#weight * tokens;
    if (tokens > this.reserve) this.#overrun += this.#weight * (tokens - this.reserve);
    const tooMuch = this.#overrun > TOLERATED * this.#tokens;
    this.#longer = tooMuch ? Math.max(LEAST_LONGER, this.#longer * TIGHTEN) : Math.min(MOST_LONGER, this.#longer * LOOSEN);
  }

  /** From the top: the long answers are few. */
  #quantile(): number {
    let left = this.#longer * this.#total;
    let bin = BINS - 1;
    for (; bin > 0; bin--) {
      left -= this.#bins[bin]!;
      if (left < 0) break;
    }
    return Math.floor(2 ** (bin / STEPS));
  }

  #scale(): void {
    this.#total = 0;
    for (let bin = 0; bin < BINS; bin++) {
      this.#total += this.#bins[bin] = this.#bins[bin]! / this.#weight;
    }
    this.#tokens /= this.#weight;
    this.#overrun /= this.#weight;
    this.#weight = 1;
  }
}

/** The step whose upper edge is the first that is not below. */
function binOf(tokens: number): number {
  return tokens > 1 ? Math.min(BINS - 1, Math.ceil(STEPS * Math.log2(tokens))) : 0;
}
