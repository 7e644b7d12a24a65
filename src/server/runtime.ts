/** A configuration made ready for the road: everything that does not depend on a request is done here, once an edit. */
import type { ReserveOptions, Subjects } from '../budgets/types.ts';
import { limitsOf, policyFor } from '../config/policy.ts';
import type { Config, ModelConfig, Policy } from '../config/types.ts';
import { limitsAsAsks, prepareLimits, type PreparedLimits } from '../decide/asks.ts';
import { FIRST_RATIO, MAX_TOKENS, type OutputEstimator, type Ratio } from '../decide/estimate.ts';
import type { LearnedOutput } from '../decide/learned-output.ts';
import { createBalancer, meanCost, type Balancer } from '../decide/balance.ts';
import { newGauge, type MemberGauge } from '../decide/gauge.ts';
import { stagesFor, type Fallback } from '../decide/stages.ts';
import { compileTasks, type TaskPicker } from '../decide/tasks.ts';
import type { ContinueBy, Provider } from '../providers/types.ts';
import { HedgeShare } from './hedge.ts';
import type { Reason } from '../wire/reasons.ts';

/** One model, as the road needs it. */
export interface Target {
  readonly name: string;
  readonly provider: Provider | undefined;
  /** Why it can never be asked, if so: its provider is not built, or its key is missing. */
  readonly unusable: Reason | undefined;
  readonly upstream: { readonly model: string; readonly includeUsage: boolean };
  readonly origin: string;
  /** The path of the base URL, without a slash at its end. */
  readonly basePath: string;
  /** Configured headers and the credential: name and value in turn. The caller cannot change them. */
  readonly headers: readonly string[];
  /** Their names in lower case. */
  readonly headerNames: ReadonlySet<string>;
  readonly limits: PreparedLimits;
  readonly budget: string;
  /** Learned; lives as long as the process. */
  readonly meter: Meter;
  /** As this process last saw it; lives as long as the process. */
  readonly gauge: MemberGauge;
  /** Tokens; undefined: any prompt may fit. */
  readonly contextWindow: number | undefined;
  /** How it is asked to go on where a stream broke. */
  readonly continueBy: ContinueBy;
}

export interface Meter {
  ratio: Ratio;
}

export interface Route {
  readonly group: string;
  /** Of the group and its fallback, in the order written. */
  readonly targets: readonly Target[];
  /** How many of the targets are the group's own; the rest are its fallback. */
  readonly own: number;
  /** The same, where several share the load: put in order for each request. Undefined: the order is always the one written. */
  readonly stages: readonly Stage[] | undefined;
  /** Instead of the fallback, for prompts that do not fit and for refused contents. */
  readonly instead: Readonly<Record<'context' | 'content', readonly Stage[]>>;
  /** Undefined: no request is hedged. */
  readonly hedging: Hedging | undefined;
  /** A model of the group has a context window that prompts are measured against. */
  readonly measured: boolean;
  readonly policy: Policy;
  readonly reserving: ReserveOptions;
  /** What answers will use. */
  readonly output: OutputEstimator;
}

export interface Hedging {
  readonly afterMs: number;
  readonly share: HedgeShare;
}

export interface Stage {
  readonly targets: readonly Target[];
  /** Undefined: there is only one. */
  readonly balancer: Balancer | undefined;
}

/** Another model of the group's own is no fallback. */
export function isFallback({ targets, own }: Route, target: Target): boolean {
  const place = targets.indexOf(target);
  return place < 0 || place >= own;
}

export interface Runtime {
  readonly config: Config;
  readonly hash: string;
  readonly source: string;
  readonly loadedAt: Date;
  /** By every name that an app may use. */
  readonly routes: ReadonlyMap<string, Route>;
  readonly targets: readonly Target[];
  /** By model, as they were read; for nobody's eyes. */
  readonly keys: ReadonlyMap<string, string>;
  /** What "auto" means; undefined: no tasks are configured. */
  readonly tasks: TaskPicker | undefined;
  /** The names, for messages. */
  readonly known: string;
  /** Every limit of every budget and every model, for reading what is used and how they are. */
  readonly subjects: Subjects;
}

export interface RuntimeDeps {
  readonly providers: ReadonlyMap<string, Provider>;
  /** Undefined: it is not there, and the operator was told. */
  readonly secret: (model: string, ref: NonNullable<ModelConfig['apiKey']>) => string | undefined;
  /** What is learned of each model, kept over reloads. */
  readonly meters: Map<string, Meter>;
  readonly learned: LearnedOutput;
  readonly gauges: Map<string, MemberGauge>;
  readonly random: () => number;
  readonly now: () => Date;
}

export function buildRuntime(config: Config, hash: string, source: string, deps: RuntimeDeps): Runtime {
  const keys = new Map<string, string>();
  for (const [name, { apiKey }] of Object.entries(config.models)) {
    const key = apiKey && deps.secret(name, apiKey);
    if (key !== undefined) keys.set(name, key);
  }
  const targets = new Map(Object.entries(config.models).map(([name, model]) => [name, buildTarget(name, model, keys.get(name), deps)]));
  const names = [...new Set([...Object.keys(config.groups), ...Object.keys(config.models)])];
  const routes = new Map<string, Route>();
  const reserving = { enforce: config.budgets.enforce };
  const output = config.budgets.outputEstimate === 'learned' ? deps.learned : MAX_TOKENS;
  const waysOf = (name: string, way: Fallback): Stage[] =>
    stagesFor(config, name, way).map(({ balance, members }) => {
      const its = members.map(({ model }) => targets.get(model)!);
      const weighted = members.map(({ model, weight }) => ({ weight, cost: meanCost(config.models[model]!.price), gauge: targets.get(model)!.gauge }));
      return { targets: its, balancer: its.length > 1 ? createBalancer(balance, weighted, deps.random) : undefined };
    });
  for (const name of names) {
    const policy = policyFor(config, name);
    const stages = waysOf(name, 'fallback');
    const its = stages.flatMap((stage) => stage.targets);
    const isShared = stages.some(({ balancer }) => balancer !== undefined);
    // The first stage is the group's own, in each of its ways.
    const instead = { context: waysOf(name, 'contextWindowFallback').slice(1), content: waysOf(name, 'contentPolicyFallback').slice(1) };
    routes.set(name, {
      group: name,
      targets: its,
      own: stages[0]!.targets.length,
      stages: isShared ? stages : undefined,
      instead,
      measured: its.some(({ contextWindow }) => contextWindow !== undefined),
      policy,
      hedging: policy.hedge === null ? undefined : { afterMs: policy.hedge.after, share: new HedgeShare(policy.hedge.maxShare) },
      reserving,
      output,
    });
  }
  const all = [...targets.values()];
  return {
    config,
    hash,
    source,
    loadedAt: deps.now(),
    routes,
    targets: all,
    keys,
    tasks: config.tasks && compileTasks(config.tasks),
    known: names.join(', '),
    subjects: {
      budgets: new Map(all.map((target) => [target.budget, limitsAsAsks(target.limits)])),
      models: new Map(all.map((target) => [target.name, target.budget])),
    },
  };
}

function buildTarget(name: string, model: ModelConfig, key: string | undefined, deps: RuntimeDeps): Target {
  const provider = deps.providers.get(model.provider);
  const base = new URL(model.baseUrl ?? provider?.defaultBaseUrl ?? 'http://unused.invalid');
  const keyMissing = model.apiKey !== undefined && key === undefined;
  const configured = { 'accept-encoding': 'identity', ...lowerCased(model.headers) };
  const headers = [...Object.entries(configured).flat(), ...(provider && key !== undefined ? provider.authorize(key) : [])];
  let meter = deps.meters.get(name);
  if (meter === undefined) deps.meters.set(name, (meter = { ratio: FIRST_RATIO }));
  let gauge = deps.gauges.get(name);
  if (gauge === undefined) deps.gauges.set(name, (gauge = newGauge()));
  return {
    name,
    provider,
    unusable: provider === undefined ? 'untranslatable' : keyMissing ? 'auth' : undefined,
    upstream: { model: model.model, includeUsage: model.includeUsage },
    origin: base.origin,
    basePath: base.pathname.replace(/\/+$/, ''),
    headers,
    headerNames: new Set(headers.filter((_, i) => i % 2 === 0)),
    limits: prepareLimits(limitsOf(model), model.price),
    budget: model.budget,
    meter,
    gauge,
    contextWindow: model.contextWindow,
    // OpenAI takes an unfinished answer as the last message, and begins a new one behind it.
    continueBy: base.hostname === 'api.openai.com' ? 'instruction' : 'prefill',
  };
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
