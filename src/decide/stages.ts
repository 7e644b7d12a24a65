/**
 * The models of a name in the order in which they are tried, as groups of models that share the load among themselves. All models
 * of all stages, one after the other, are the chain of a request.
 */
import type { Balance } from '../config/types.ts';

export type Fallback = 'fallback' | 'contextWindowFallback' | 'contentPolicyFallback';

/** The part of the configuration that stages need. */
export interface StagesInput {
  readonly models: Readonly<Record<string, unknown>>;
  readonly groups: Readonly<Record<string, StagesGroup>>;
}

interface StagesGroup {
  readonly models: readonly StageMember[];
  readonly balance: Balance;
  readonly fallback: readonly string[];
  readonly contextWindowFallback: readonly string[];
  readonly contentPolicyFallback: readonly string[];
}

export interface StageMember {
  readonly model: string;
  readonly weight: number;
}

export interface Stage {
  /** The group whose models these are, or in whose fallback they stand. */
  readonly of: string;
  /** The group that stands in the fallback and brings them. */
  readonly through?: string;
  /** How several share the load. */
  readonly balance: Balance;
  /** At least one. */
  readonly members: readonly StageMember[];
}

/**
 * A name's own models first, then one of its three ways on. A group on the way brings its models and its `fallback`, as in the
 * plan; what it does with long prompts and refusals is its own affair. Empty for a name that means nothing.
 */
export function stagesFor(config: StagesInput, name: string, way: Fallback = 'fallback'): readonly Stage[] {
  const group = groupOf(config, name);
  if (group === undefined) return Object.hasOwn(config.models, name) ? [{ of: name, balance: 'weighted', members: [{ model: name, weight: 1 }] }] : [];
  const visited = new Set<string>();
  const stages: Stage[] = [];
  for (const stage of [{ of: name, balance: group.balance, members: group.models }, ...onwards(config, name, group[way], new Set([name]))]) {
    const members = once(stage.members, visited);
    if (members.length > 0) stages.push({ ...stage, members });
  }
  return stages;
}

function* onwards(config: StagesInput, of: string, names: readonly string[], above: ReadonlySet<string>): Generator<Stage> {
  for (const name of names) {
    // A group that carries a model's name means the model where it stands in its own fallback.
    const group = above.has(name) ? undefined : groupOf(config, name);
    if (group === undefined) yield { of, balance: 'weighted', members: [{ model: name, weight: 1 }] };
    else {
      yield { of, through: name, balance: group.balance, members: group.models };
      yield* onwards(config, name, group.fallback, new Set([...above, name]));
    }
  }
}

function groupOf(config: StagesInput, name: string): StagesGroup | undefined {
  return Object.hasOwn(config.groups, name) ? config.groups[name] : undefined;
}

/** A model that stands in a stage twice has both weights; one of an earlier stage is not tried again. */
function once(members: readonly StageMember[], visited: Set<string>): StageMember[] {
  const weights = new Map<string, number>();
  for (const { model, weight } of members) if (!visited.has(model)) weights.set(model, (weights.get(model) ?? 0) + weight);
  for (const model of weights.keys()) visited.add(model);
  return [...weights].map(([model, weight]) => ({ model, weight }));
}
