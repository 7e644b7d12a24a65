/** What the sidecars say of themselves on `/metrics`, read as an operator's tools would; several sidecars are one picture. */

export interface Use {
  readonly used: number;
  readonly limit: number;
}

export interface ModelFigures {
  readonly requests: Use;
  readonly tokens: Use;
  /** Requests of apps that it answered. */
  readonly answered: number;
  /** Upstream calls, by sidecar. */
  readonly calls: readonly number[];
}

/** How many requests of a group ended in one way. */
export interface Ending {
  readonly group: string;
  readonly model: string;
  readonly outcome: string;
  readonly reason: string;
  readonly count: number;
}

export interface Figures {
  readonly models: ReadonlyMap<string, ModelFigures>;
  readonly endings: readonly Ending[];
  /** A Redis is configured and one of the sidecars decides without it. */
  readonly degraded: boolean;
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** @param texts one `/metrics` a sidecar */
export function figuresOf(texts: readonly string[], models: readonly string[]): Figures {
  const bySidecar = texts.map(samplesOf);
  const all = bySidecar.flat();
  const endings = new Map<string, Ending>();
  for (const { labels, value } of named(all, 'spillway_requests_total')) {
    const { group = '', model = '', outcome = '', reason = '' } = labels;
    const key = [group, model, outcome, reason].join(' ');
    endings.set(key, { group, model, outcome, reason, count: value + (endings.get(key)?.count ?? 0) });
  }
  const ended = [...endings.values()];
  // Each sidecar shows the budgets that they share.
  const most = (name: string, model: string, budget: string): number =>
    Math.max(0, ...named(all, name).filter(({ labels }) => labels['model'] === model && labels['budget'] === budget).map(({ value }) => value));
  const use = (model: string, budget: string): Use => ({ used: most('spillway_budget_used', model, budget), limit: most('spillway_budget_limit', model, budget) });
  const modelFigures = (model: string): ModelFigures => ({
    requests: use(model, 'requests'),
    tokens: use(model, 'tokens'),
    answered: sum(ended.filter((ending) => ending.model === model && ending.outcome === 'ok').map((ending) => ending.count)),
    calls: bySidecar.map((samples) => sum(named(samples, 'spillway_attempts_total').filter(({ labels }) => labels['model'] === model).map(({ value }) => value))),
  });
  return {
    models: new Map(models.map((model) => [model, modelFigures(model)])),
    endings: ended,
    degraded: named(all, 'spillway_degraded').some(({ value }) => value === 1),
  };
}

const LINE = /^(spillway_(?:requests_total|attempts_total|budget_used|budget_limit|degraded))(?:\{(.*)\})? (\S+)$/gm;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

function samplesOf(text: string): Sample[] {
  return [...text.matchAll(LINE)].map(([, name = '', labels = '', value]) => ({
    name,
    labels: Object.fromEntries([...labels.matchAll(LABEL)].map(([, label, text]) => [label, text])),
    value: Number(value),
  }));
}

function named(samples: readonly Sample[], name: string): Sample[] {
  return samples.filter((sample) => sample.name === name);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
