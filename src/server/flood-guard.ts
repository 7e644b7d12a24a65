/**
 * An app that is refused and asks again at once, thousands of times a second, is answered without a decision for the rest of
 * that second: no body is read, and Redis is left to those that can be served. rate-limiter-flexible counts, in memory.
 */
import type { RateLimiterMemory } from 'rate-limiter-flexible';

/** Far above what any app does that waits as it is told. */
export const FLOOD_PER_SECOND = 1000;

export interface FloodOptions {
  /** Refusals that an app may have in one second. */
  readonly perSecond?: number;
  readonly now: () => number;
}

export class FloodGuard {
  readonly #options: FloodOptions;
  #limiter: Promise<RateLimiterMemory> | undefined;
  /** Only apps that are kept out. */
  readonly #until = new Map<string, number>();

  constructor(options: FloodOptions) {
    this.#options = options;
  }

  /** Nothing could serve a request of this app. */
  refused(app: string): void {
    this.#limiter ??= this.#load();
    void this.#limiter.then((limiter) =>
      limiter.consume(app).catch(({ msBeforeNext }: { msBeforeNext?: number }) => {
        if (msBeforeNext !== undefined) this.#until.set(app, this.#options.now() + msBeforeNext);
      }),
    );
  }

  isFlooding(app: string): boolean {
    if (this.#until.size === 0) return false;
    const until = this.#until.get(app);
    if (until === undefined) return false;
    if (this.#options.now() < until) return true;
    this.#until.delete(app);
    return false;
  }

  /** Not before the first refusal: most sidecars never have one. */
  async #load(): Promise<RateLimiterMemory> {
    // Its default: a bundle gives no other name of a CommonJS package that is loaded when it is needed.
    const { default: library } = await import('rate-limiter-flexible');
    return new library.RateLimiterMemory({ points: this.#options.perSecond ?? FLOOD_PER_SECOND, duration: 1 });
  }
}
