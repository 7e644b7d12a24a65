/** A configuration made ready for the road: everything that does not depend on a request is done here, once an edit. */
import type { Ask } from '../budgets/types.ts';
import { limitsOf, policyFor } from '../config/policy.ts';
import type { Config, ModelConfig, Policy } from '../config/types.ts';
import { limitsAsAsks, type Limits } from '../decide/asks.ts';
import { FIRST_RATIO, type Ratio } from '../decide/estimate.ts';
import { planFor } from '../decide/plan.ts';
import type { Provider } from '../providers/types.ts';
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
  readonly limits: Limits;
  readonly budget: string;
  /** Learned; lives as long as the process. */
  readonly meter: Meter;
}

export interface Meter {
  ratio: Ratio;
}

export interface Route {
  readonly group: string;
  readonly targets: readonly Target[];
  /** How many of the targets are the group's own; the rest are its fallback. */
  readonly own: number;
  readonly policy: Policy;
}

export interface Runtime {
  readonly config: Config;
  readonly hash: string;
  readonly source: string;
  readonly loadedAt: Date;
  /** By every name that an app may use. */
  readonly routes: ReadonlyMap<string, Route>;
  readonly targets: readonly Target[];
  /** The names, for messages. */
  readonly known: string;
  /** Every limit of every budget, for reading what is used. */
  readonly budgets: ReadonlyMap<string, readonly Ask[]>;
}

export interface RuntimeDeps {
  readonly providers: ReadonlyMap<string, Provider>;
  /** @throws with a message for the operator if the secret is not there */
  readonly secret: (model: string, ref: NonNullable<ModelConfig['apiKey']>) => string | undefined;
  /** What is learned of each model, kept over reloads. */
  readonly meters: Map<string, Meter>;
  readonly now: () => Date;
}

export function buildRuntime(config: Config, hash: string, source: string, deps: RuntimeDeps): Runtime {
  const targets = new Map(Object.entries(config.models).map(([name, model]) => [name, buildTarget(name, model, deps)]));
  const names = [...new Set([...Object.keys(config.groups), ...Object.keys(config.models)])];
  const routes = new Map<string, Route>();
  for (const name of names) {
    const plan = planFor(config, name)!;
    const policy = policyFor(config, name);
    routes.set(name, { group: name, targets: plan.chain.map((model) => targets.get(model)!), own: plan.own, policy });
  }
  const all = [...targets.values()];
  return {
    config,
    hash,
    source,
    loadedAt: deps.now(),
    routes,
    targets: all,
    known: names.join(', '),
    budgets: new Map(all.map((target) => [target.budget, limitsAsAsks(target.limits)])),
  };
}

function buildTarget(name: string, model: ModelConfig, deps: RuntimeDeps): Target {
  const provider = deps.providers.get(model.provider);
  const base = new URL(model.baseUrl ?? provider?.defaultBaseUrl ?? 'http://unused.invalid');
  const key = model.apiKey && deps.secret(name, model.apiKey);
  const keyMissing = model.apiKey !== undefined && key === undefined;
  const configured = { 'accept-encoding': 'identity', ...lowerCased(model.headers) };
  const headers = [...Object.entries(configured).flat(), ...(provider && key !== undefined ? provider.authorize(key) : [])];
  let meter = deps.meters.get(name);
  if (meter === undefined) deps.meters.set(name, (meter = { ratio: FIRST_RATIO }));
  return {
    name,
    provider,
    unusable: provider === undefined ? 'untranslatable' : keyMissing ? 'auth' : undefined,
    upstream: { model: model.model, includeUsage: model.includeUsage },
    origin: base.origin,
    basePath: base.pathname.replace(/\/+$/, ''),
    headers,
    headerNames: new Set(headers.filter((_, i) => i % 2 === 0)),
    limits: limitsOf(model),
    budget: model.budget,
    meter,
  };
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
