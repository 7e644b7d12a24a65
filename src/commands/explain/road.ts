/** What the sidecar would do with a request: the same plan, estimates and policy as on the road, and nothing is sent. */
import type { Dimension } from '../../budgets/types.ts';
import { PROVIDERS } from '../../config/built.ts';
import { limitsOf } from '../../config/policy.ts';
import type { Config, Inactive } from '../../config/types.ts';
import { asksFor, type Limits } from '../../decide/asks.ts';
import { estimateInput } from '../../decide/estimate.ts';
import { planFor, type Plan } from '../../decide/plan.ts';
import { triedFor } from '../../server/respond.ts';
import { statusOf, type Reason } from '../../wire/reasons.ts';
import type { Prompt } from './prompt.ts';
import { policyInForce, type PolicyInForce } from './policy.ts';

/** One check of a model's budget. `input` and `output` are the two estimates, where one limit counts both. */
export interface Reserve {
  readonly limit: Dimension;
  readonly of: number;
  readonly amount: number;
  readonly fits: boolean;
  readonly input: number | undefined;
  readonly output: number | undefined;
}

export interface Step {
  readonly model: string;
  readonly role: 'primary' | 'own' | 'fallback';
  /** The group whose model, or whose fallback, it is. */
  readonly of: string;
  /** The group that stands in the fallback and brings this model. */
  readonly through?: string;
  readonly provider: string;
  readonly upstream: string;
  readonly baseUrl?: string;
  readonly budget: string;
  /** Other models on the same budget. */
  readonly sharedWith: readonly string[];
  /** Empty: it has no limits. */
  readonly reserves: readonly Reserve[];
  /** Why this request could never be sent to it. */
  readonly skipped: Reason | null;
}

export interface Road {
  readonly asked: string;
  readonly means: 'group' | 'model';
  /** A model has the group's name. */
  readonly alsoModel: boolean;
  readonly prompt: Prompt;
  /** Where budgets are kept. */
  readonly budgets: 'redis' | 'process';
  readonly chain: readonly Step[];
  /** The models that could be tried, in order. */
  readonly order: readonly string[];
  /** The status that the app would get at once; null: there is a model to try. */
  readonly refused: number | null;
  readonly policy: PolicyInForce;
  /** What the file asks of this road and this version does not do. */
  readonly warnings: readonly Inactive[];
}

/** Undefined for a name that is neither a group nor a model. */
export function roadOf(config: Config, inactive: readonly Inactive[], asked: string, prompt: Prompt): Road | undefined {
  const plan = planFor(config, asked);
  if (plan === undefined) return undefined;
  const chain = plan.chain.map((model, at) => step(config, plan, model, at, prompt));
  const order = chain.filter(({ skipped }) => skipped === null).map(({ model }) => model);
  const reasons = chain.flatMap(({ skipped }) => (skipped === null ? [] : [skipped]));
  const isGroup = Object.hasOwn(config.groups, asked);
  const groups = [asked, ...chain.flatMap(({ of, through }) => (through === undefined ? [of] : [of, through]))];
  return {
    asked,
    means: isGroup ? 'group' : 'model',
    alsoModel: isGroup && Object.hasOwn(config.models, asked),
    prompt,
    budgets: config.redis ? 'redis' : 'process',
    chain,
    order,
    refused: order.length > 0 ? null : statusOf(reasons),
    policy: policyInForce(config, asked),
    warnings: inactive.filter(({ path }) => concerns(config, path, plan.chain, groups)),
  };
}

function step(config: Config, plan: Plan, name: string, at: number, prompt: Prompt): Step {
  const model = config.models[name]!;
  const built = PROVIDERS.includes(model.provider);
  const reserves = built ? reservesOf(limitsOf(model), prompt) : [];
  const never = reserves.find(({ fits }) => !fits);
  return {
    model: name,
    ...(at < plan.own ? { role: at === 0 ? 'primary' : 'own', of: plan.group } : { role: 'fallback', ...origin(config, plan.group, name) }),
    provider: model.provider,
    upstream: model.model,
    ...(model.baseUrl !== undefined && { baseUrl: model.baseUrl }),
    budget: model.budget,
    sharedWith: Object.entries(config.models).flatMap(([other, { budget }]) => (other !== name && budget === model.budget ? [other] : [])),
    reserves,
    skipped: built ? (never ? triedFor(name, { dimension: never.limit, waitMs: -1 }).reason : null) : 'untranslatable',
  };
}

function reservesOf(limits: Limits, { wanted, ratio }: Prompt): Reserve[] {
  const input = estimateInput(wanted, ratio);
  return asksFor(limits, wanted, ratio).map(({ dimension, limit, amount }) => {
    const both = dimension === 'tokens';
    return { limit: dimension, of: limit, amount, fits: amount <= limit, input: both ? input : undefined, output: both ? amount - input : undefined };
  });
}

/** Which fallback brings a model first: the search goes in the order in which the plan was made. */
function origin(config: Config, group: string, model: string): Pick<Step, 'of' | 'through'> {
  for (const entry of config.groups[group]?.fallback ?? []) {
    // A group's own name in its fallback means the model of that name.
    const inner = entry !== group && Object.hasOwn(config.groups, entry) ? planFor(config, entry) : undefined;
    if (inner === undefined && entry === model) return { of: group };
    const at = inner?.chain.indexOf(model) ?? -1;
    if (at >= 0) return at < inner!.own ? { of: group, through: entry } : origin(config, entry, model);
  }
  return { of: group };
}

/** Sections that bear on every road; the others (apps, drills, alerts, ...) do not change where a request goes. */
const EVERYWHERE: ReadonlySet<string> = new Set(['policy', 'budgets']);

function concerns(config: Config, path: string, models: readonly string[], groups: readonly string[]): boolean {
  const [section = ''] = path.split('.', 1);
  if (section === 'models') return models.includes(ownerOf(path, section, Object.keys(config.models)));
  if (section === 'groups') return groups.includes(ownerOf(path, section, Object.keys(config.groups)));
  return EVERYWHERE.has(section);
}

/** Names may hold dots: of several that fit, the longest is meant. */
function ownerOf(path: string, section: string, names: readonly string[]): string {
  const fitting = names.filter((name) => path.startsWith(`${section}.${name}.`));
  return fitting.reduce((longest, name) => (name.length > longest.length ? name : longest), '');
}
