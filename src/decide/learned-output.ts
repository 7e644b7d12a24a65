/**
 * What an answer reserves under `budgets.outputEstimate: learned`: as many tokens as nine in ten answers to the same app from
 * the same model have had, and more where long answers would overrun too much (limiter study 4.5).
 */
import type { OutputEstimator, WantedOutput } from './estimate.ts';
import { Histogram } from './histogram.ts';

/** Of a model and an app, or of a model and all apps: 0.7 kB each. */
const MOST_HISTOGRAMS = 1000;

export class LearnedOutput implements OutputEstimator {
  /** By model, then by app; undefined: over all apps. */
  readonly #models = new Map<string, Map<string | undefined, Histogram>>();
  #count = 0;
  #turn = 0;

  /** By the app's own answers; while they are too few, by those of all apps. */
  tokens(model: string, app: string | undefined, { maxTokens, outputs }: WantedOutput): number | undefined {
    if (outputs === 0) return 0;
    const apps = this.#models.get(model);
    if (apps === undefined) return undefined;
    const own = app === undefined ? undefined : apps.get(app);
    const histogram = own?.ready === true ? own : apps.get(undefined);
    if (histogram?.ready !== true) return undefined;
    return Math.min(histogram.reserve, maxTokens ?? Infinity) * outputs;
  }

  /** An answer had `output` tokens in all its choices, as the upstream reported. */
  observe(model: string, app: string | undefined, output: number, outputs: number): void {
    if (outputs === 0) return;
    const tokens = outputs === 1 ? output : Math.ceil(output / outputs);
    this.#at(model, undefined).observe(tokens);
    if (app !== undefined) this.#at(model, app).observe(tokens);
  }

  get size(): number {
    return this.#count;
  }

  #at(model: string, app: string | undefined): Histogram {
    const histogram = this.#models.get(model)?.get(app) ?? this.#add(model, app);
    histogram.usedAt = ++this.#turn;
    return histogram;
  }

  #add(model: string, app: string | undefined): Histogram {
    if (this.#count >= MOST_HISTOGRAMS) this.#dropOldest(MOST_HISTOGRAMS / 10);
    const histogram = new Histogram();
    let apps = this.#models.get(model);
    if (apps === undefined) this.#models.set(model, (apps = new Map()));
    apps.set(app, histogram);
    this.#count++;
    return histogram;
  }

  /** Several at once, so that new apps without end cost no look at all histograms each. */
  #dropOldest(many: number): void {
    const turns = [...this.#models.values()].flatMap((apps) => [...apps.values()].map(({ usedAt }) => usedAt));
    const kept = turns.sort((a, b) => a - b)[many]!;
    for (const [model, apps] of this.#models) {
      for (const [app, { usedAt }] of apps) if (usedAt < kept) apps.delete(app);
      if (apps.size === 0) this.#models.delete(model);
    }
    this.#count -= many;
  }
}
