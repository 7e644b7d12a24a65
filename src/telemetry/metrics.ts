/** Plain counters, bound to their labels ahead of the road: adding is one number. Exporters read them. */

export interface Counter {
  value: number;
}

export interface Sample {
  readonly labels: readonly string[];
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labelNames: readonly string[];
}

export class CounterFamily implements Family {
  readonly type = 'counter';
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  private readonly scale: number;
  private readonly children = new Map<string, { labels: readonly string[]; counter: Counter }>();

  /** @param scale what one of the counted is in the metric's unit: sums stay whole, and exact */
  constructor(name: string, help: string, labelNames: readonly string[], scale = 1) {
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
    this.scale = scale;
  }

  /** The counter of these label values; the same one each time. */
  with(...labels: string[]): Counter {
    const key = labels.join('\u0000');
    let child = this.children.get(key);
    if (child === undefined) {
      child = { labels, counter: { value: 0 } };
      this.children.set(key, child);
    }
    return child.counter;
  }

  has(...labels: string[]): boolean {
    return this.children.has(labels.join('\u0000'));
  }

  get size(): number {
    return this.children.size;
  }

  *samples(): Generator<Sample> {
    for (const { labels, counter } of this.children.values()) yield { labels, value: counter.value * this.scale };
  }
}

/** A distribution over fixed bounds; no labels, so that there is one a process. */
export class Histogram implements Family {
  readonly type = 'histogram';
  readonly labelNames: readonly string[] = [];
  readonly name: string;
  readonly help: string;
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;

  /** @param bounds upper bounds, ascending, in the metric's unit */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    let i = 0;
    while (i < this.bounds.length && value > this.bounds[i]!) i++;
    this.counts[i]!++;
    this.sum += value;
  }
}

/** One look at all gauges: what several of them need is asked for once. */
export class Scrape {
  private readonly answers = new Map<() => unknown, unknown>();

  once<T>(ask: () => T): T {
    if (!this.answers.has(ask)) this.answers.set(ask, ask());
    return this.answers.get(ask) as T;
  }
}

/** A value that is asked for when somebody looks. */
export interface Gauge extends Family {
  readonly type: 'gauge';
  readonly read: (scrape: Scrape) => Iterable<Sample> | Promise<Iterable<Sample>>;
}
