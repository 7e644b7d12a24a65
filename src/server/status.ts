/** What `/status` and the gauges say: one picture of configuration, budgets and groups. */
import type { Budgets, Health, Level, Usage } from '../budgets/types.ts';
import type { Inactive, Problem } from '../config/types.ts';
import { dollarsOf } from '../decide/price.ts';
import type { WatchState } from '../config/sources/configmap.ts';
import type { Instruments } from '../telemetry/instruments.ts';
import type { Gauge, Sample, Scrape } from '../telemetry/metrics.ts';
import type { Recorder } from './record.ts';
import type { Runtime } from './runtime.ts';

export interface ConfigError {
  readonly message: string;
  readonly at: Date;
  readonly problems: readonly Problem[];
}

export interface ConfigState {
  readonly inactive: readonly Inactive[];
  /** Of the newest edit, if it was refused. */
  readonly error: ConfigError | undefined;
}

export interface StatusDeps {
  readonly version: string;
  readonly pod: string;
  readonly runtime: () => Runtime;
  readonly configState: () => ConfigState;
  /** Undefined where no API server is asked. */
  readonly watchState?: () => WatchState | undefined;
  readonly budgets: () => Budgets;
  readonly recorder: Recorder;
  readonly startedAt: Date;
}

export async function status(deps: StatusDeps): Promise<object> {
  const runtime = deps.runtime();
  const { inactive, error } = deps.configState();
  const budgets = deps.budgets();
  const now = new Date();
  const { levels, health } = await budgets.usage(runtime.subjects);
  const { mode, up, degraded, pods, lastError } = budgets.state();
  return {
    version: deps.version,
    startedAt: deps.startedAt,
    config: {
      hash: runtime.hash,
      source: runtime.source,
      loadedAt: runtime.loadedAt,
      error: error ?? null,
      watch: deps.watchState?.() ?? null,
      inactive: inactive.map(({ path, line, column, message }) => ({ path, line, column, message })),
    },
    redis: { mode, up, degraded, pods, lastError },
    models: Object.fromEntries(runtime.targets.map(({ name, budget, unusable }) => [name, modelStatus(levels.get(budget) ?? [], health.get(name), unusable, now)])),
    groups: Object.fromEntries([...runtime.routes.values()].filter(({ group }) => Object.hasOwn(runtime.config.groups, group)).map(({ group, targets, own }) => [
      group,
      {
        models: targets.slice(0, own).map((target) => target.name),
        fallback: targets.slice(own).map((target) => target.name),
        lastDiversion: deps.recorder.diversions.get(group) ?? null,
      },
    ])),
    apps: {},
    pods: [{ name: deps.pod, configHash: runtime.hash, lastSeen: new Date() }],
    requests: { running: deps.recorder.running },
  };
}

function modelStatus(levels: readonly Level[], health: Health | undefined, unusable: string | undefined, now: Date): object {
  const budgets = levels.map(inDollars).map(({ dimension, limit, used, resetMs }) => [dimension, { limit, used, resetMs }]);
  const cooldownMs = health?.cooldownMs ?? 0;
  const cooldownUntil = cooldownMs > 0 ? new Date(now.getTime() + cooldownMs) : null;
  return { budgets: Object.fromEntries(budgets), unusable: unusable ?? null, circuit: health?.circuit ?? 'closed', cooldownUntil };
}

/** People read dollars; the engines count in their billionths. */
function inDollars(level: Level): Level {
  if (level.dimension !== 'cost_day' && level.dimension !== 'cost_month') return level;
  return { ...level, limit: dollarsOf(level.limit), used: dollarsOf(level.used) };
}

/** The contract's gauges; each is read when somebody scrapes. */
export function addGauges(instruments: Instruments, deps: StatusDeps): void {
  const gauge = (name: string, help: string, labelNames: readonly string[], read: Gauge['read']): void => {
    instruments.gauges.push({ type: 'gauge', name, help, labelNames, read });
  };
  const one = (value: number, ...labels: string[]): Sample[] => [{ labels, value }];
  const usage = (): Promise<Usage> => deps.budgets().usage(deps.runtime().subjects);
  const perBudget = async (scrape: Scrape, pick: (level: Level) => number): Promise<Sample[]> => {
    const { targets } = deps.runtime();
    const { levels } = await scrape.once(usage);
    return targets.flatMap(({ name, budget }) => (levels.get(budget) ?? []).map((level) => ({ labels: [name, level.dimension], value: pick(inDollars(level)) })));
  };
  const circuits = async (scrape: Scrape): Promise<Sample[]> => {
    const { health } = await scrape.once(usage);
    return [...health].map(([name, { circuit }]) => ({ labels: [name], value: Number(circuit === 'open' || circuit === 'half_open') }));
  };
  const shared = 'Shared by all pods, which each show the same: use max(), not sum().';
  gauge('spillway_budget_limit', `The limit of a model's budget. ${shared}`, ['model', 'budget'], (scrape) => perBudget(scrape, ({ limit }) => limit));
  gauge('spillway_budget_used', `What is used of it in the current window. ${shared}`, ['model', 'budget'], (scrape) => perBudget(scrape, ({ used }) => used));
  gauge('spillway_circuit_open', `1 while a model is left alone because it failed. ${shared}`, ['model'], circuits);
  gauge('spillway_redis_up', '1 if Redis answers; 0 if not, or if none is configured.', [], () => one(Number(deps.budgets().state().up)));
  gauge('spillway_degraded', '1 while this pod decides alone although a Redis is configured.', [], () => one(Number(deps.budgets().state().degraded)));
  gauge('spillway_config_info', 'Always 1; the label is the hash of the configuration in force.', ['hash'], () => one(1, deps.runtime().hash));
  gauge('spillway_config_last_reload_successful', '0 if the newest edit was refused.', [], () => one(Number(deps.configState().error === undefined)));
  gauge('spillway_config_last_reload_success_timestamp_seconds', 'When the configuration in force was loaded.', [], () => one(deps.runtime().loadedAt.getTime() / 1000));
  if (deps.watchState?.() !== undefined) {
    gauge('spillway_config_source_connected', '1 while edits arrive by the API server at once.', [], () => one(Number(deps.watchState?.()?.connected)));
    gauge('spillway_config_source_age_seconds', 'Since the API server was last heard of.', [], () => one((deps.watchState?.()?.ageMs ?? Number.NaN) / 1000));
  }
  gauge('spillway_build_info', 'Always 1; the label is the version.', ['version'], () => one(1, deps.version));
}

