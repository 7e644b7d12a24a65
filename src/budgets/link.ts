/**
 * Whether Redis is asked. One failure and it is not, until a probe has been answered: no request waits for a Redis that
 * is known to be away, and none is the probe. The probe is the beat, which writes as a reserve does, so a Redis that
 * refuses writes is away too.
 */
import type { Timers } from './timers.ts';

export type BudgetsEvent =
  | { readonly kind: 'degraded'; readonly error: string }
  /** While it is away: another reason than any before. */
  | { readonly kind: 'still_away'; readonly error: string }
  | { readonly kind: 'recovered'; readonly awayMs: number };

export interface LinkOptions {
  readonly isReady: () => boolean;
  readonly beat: () => Promise<void>;
  /** Every time a beat was answered. @param awayMs how long Redis was away before it, 0 if it was not */
  readonly onBeat: (awayMs: number) => void;
  /** Once per change, and once for each text of an error; a first connection that succeeds is none. */
  readonly onEvent: (event: BudgetsEvent) => void;
  readonly message: (error: unknown) => string;
  readonly clock: () => number;
  readonly timers: Timers;
  readonly beatMs: number;
  readonly retryMs: number;
}

/** As many texts are told of one outage; no server may fill the log. */
const MOST_TEXTS = 20;

export class Link {
  readonly #options: LinkOptions;
  #state: 'starting' | 'up' | 'away' | 'closed' = 'starting';
  #lastError: string | null = null;
  #awaySince = 0;
  /** The errors of this outage. */
  readonly #told = new Set<string>();
  #beating = false;
  #cancel = () => undefined as void;
  #waiting: (() => void)[] = [];

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#schedule();
  }

  get isUp(): boolean {
    return this.#state === 'up' && this.#options.isReady();
  }

  get lastError(): string | null {
    return this.#lastError;
  }

  /** Resolves when Redis answers, or when it is known that it does not. */
  settled(): Promise<void> {
    if (this.#state !== 'starting') return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  failed(error: unknown): void {
    if (this.#state === 'closed') return;
    const text = this.#options.message(error);
    this.#lastError = text;
    const isNew = !this.#told.has(text) && this.#told.size < MOST_TEXTS;
    if (isNew) this.#told.add(text);
    if (this.#state === 'away') {
      if (isNew) this.#options.onEvent({ kind: 'still_away', error: text });
      return;
    }
    this.#state = 'away';
    this.#awaySince = this.#options.clock();
    this.#schedule();
    this.#release();
    this.#options.onEvent({ kind: 'degraded', error: text });
  }

  /** The client closes after every error that keeps it from connecting: it is the error that says why. */
  disconnected(): void {
    if (this.#lastError === null) this.failed(new Error('the connection to Redis closed'));
  }

  /** Beats now; a probe while Redis is away. */
  async tick(): Promise<void> {
    if (this.#beating || this.#state === 'closed') return;
    this.#beating = true;
    try {
      if (this.#options.isReady()) {
        await this.#options.beat();
        this.#answered();
      }
    } catch (error) {
      this.failed(error);
    } finally {
      this.#beating = false;
      this.#schedule();
    }
  }

  close(): void {
    this.#state = 'closed';
    this.#cancel();
    this.#release();
  }

  #answered(): void {
    if (this.#state === 'closed') return;
    const awayMs = this.#state === 'away' ? Math.max(1, this.#options.clock() - this.#awaySince) : 0;
    this.#state = 'up';
    this.#lastError = null;
    this.#told.clear();
    this.#release();
    if (awayMs > 0) this.#options.onEvent({ kind: 'recovered', awayMs });
    this.#options.onBeat(awayMs);
  }

  #schedule(): void {
    this.#cancel();
    if (this.#state === 'closed') return;
    const ms = this.#state === 'up' ? this.#options.beatMs : this.#options.retryMs;
    this.#cancel = this.#options.timers.after(ms, () => void this.tick());
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
