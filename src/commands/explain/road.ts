/** What the sidecar would do with a request: the same stages, estimates and policy as on the road, and nothing is sent. */
import { PROVIDERS } from '../../config/built.ts';
import type { BudgetsConfig, Config, Inactive } from '../../config/types.ts';
import { fitted } from '../../decide/long-prompts.ts';
import { stagesFor, type Stage } from '../../decide/stages.ts';
import { statusOf } from '../../wire/reasons.ts';
import type { Prompt } from './prompt.ts';
import { policyInForce, type PolicyInForce } from './policy.ts';
import { sharingOf, type Sharing } from './sharing.ts';
import { step, type Place, type Step } from './step.ts';
import type { Choice } from './task.ts';

export interface Road {
  readonly asked: string;
  /** What the app's name means: itself, or what was chosen for auto. */
  readonly group: string;
  /** Where auto was asked for: why this group. */
  readonly choice?: Choice;
  readonly means: 'group' | 'model';
  /** A model has the group's name. */
  readonly alsoModel: boolean;
  readonly prompt: Prompt;
  /** Where budgets are kept. */
  readonly budgets: 'redis' | 'process';
  /** False: no model is passed over for its budget. */
  readonly enforced: boolean;
  readonly outputEstimate: BudgetsConfig['outputEstimate'];
  readonly chain: readonly Step[];
  /** The groups of the chain whose models share the load; each takes the places of its models in an order of its own. */
  readonly sharing: readonly Sharing[];
  /** The models that could be tried, in order. */
  readonly order: readonly string[];
  /** The models that take a prompt that is too long for the group's own. */
  readonly contextWindowFallback: readonly string[];
  /** The models that are tried after a refusal by a content policy. */
  readonly contentPolicyFallback: readonly string[];
  /** The status that the app would get at once; null: there is a model to try. */
  readonly refused: number | null;
  readonly policy: PolicyInForce;
  /** What the file asks of this road and this version does not do. */
  readonly warnings: readonly Inactive[];
}

/** A model at its place, before it is known whether it is tried. */
interface Placed {
  readonly model: string;
  readonly place: Place;
  readonly contextWindow: number | undefined;
  readonly speaks: boolean;
}

/** Undefined for a name that is neither a group nor a model. */
export function roadOf(config: Config, inactive: readonly Inactive[], name: string, prompt: Prompt, choice?: Choice): Road | undefined {
  const [first, ...further] = stagesFor(config, name);
  if (first === undefined) return undefined;
  const long = stagesFor(config, name, 'contextWindowFallback').slice(1);
  const own = placed(config, [first], first.members.length > 1 ? 'own' : 'primary');
  const fallback = placed(config, further, 'fallback');
  const forLong = placed(config, long, 'contextWindowFallback');
  // A model that cannot be asked at all is no way out of anything.
  const asked = { own: own.filter(speaks), fallback: fallback.filter(speaks), forLong: forLong.filter(speaks) };
  const { tooSmall, instead } = fitted(prompt.tokens, asked);
  const onwards = instead ? forLong : fallback;
  const chain = [...own, ...onwards].map((one) => {
    const passedOver = one.speaks ? (tooSmall.includes(one) ? 'context_window' : undefined) : 'untranslatable';
    return step(config, one.model, one.place, prompt, passedOver);
  });
  const order = chain.filter(({ skipped }) => skipped === null).map(({ model }) => model);
  const reasons = chain.flatMap(({ skipped }) => (skipped === null ? [] : [skipped]));
  const isGroup = Object.hasOwn(config.groups, name);
  const onRefusal = placed(config, stagesFor(config, name, 'contentPolicyFallback').slice(1), 'fallback');
  const models = [...own, ...fallback, ...forLong, ...onRefusal];
  return {
    asked: choice === undefined ? name : 'auto',
    group: name,
    ...(choice && { choice }),
    means: isGroup ? 'group' : 'model',
    alsoModel: isGroup && Object.hasOwn(config.models, name),
    prompt,
    budgets: config.redis ? 'redis' : 'process',
    enforced: config.budgets.enforce,
    outputEstimate: config.budgets.outputEstimate,
    chain,
    sharing: [first, ...(instead ? long : further)].flatMap((stage) => sharingOf(config, stage)),
    order,
    contextWindowFallback: forLong.map(({ model }) => model),
    contentPolicyFallback: onRefusal.map(({ model }) => model),
    refused: order.length > 0 ? null : statusOf(reasons),
    policy: policyInForce(config, name),
    warnings: inactive.filter(({ path }) => concerns(config, path, models.map(({ model }) => model), [name, ...models.flatMap(({ place }) => [place.of, place.through ?? place.of])])),
  };
}

function placed(config: Config, stages: readonly Stage[], role: Place['role']): Placed[] {
  return stages.flatMap(({ of, through, members }) =>
    members.map(({ model }) => {
      const { contextWindow, provider } = config.models[model]!;
      return { model, place: { role, of, ...(through !== undefined && { through }) }, contextWindow, speaks: PROVIDERS.includes(provider) };
    }),
  );
}

function speaks({ speaks }: Placed): boolean {
  return speaks;
}

/** Sections that bear on every road; the others (apps, alerts, ...) do not change where a request goes. */
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
