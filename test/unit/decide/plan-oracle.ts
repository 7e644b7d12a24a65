/** Which models a name means, in the order in which they are tried: told without stages, as what those are held against. */

/** The part of the configuration that plans need. */
export interface PlanInput {
  readonly models: Readonly<Record<string, unknown>>;
  readonly groups: Readonly<Record<string, PlanGroup>>;
}

interface PlanGroup {
  readonly models: readonly { readonly model: string }[];
  readonly fallback: readonly string[];
}

export interface Plan {
  /** What the app asked for. */
  readonly group: string;
  /** Each model once; the first is the primary. */
  readonly chain: readonly string[];
  /** How many of the chain's first are the group's own; the rest are its fallback. */
  readonly own: number;
}

/**
 * The plan of a group, or of a model as a group of one without fallback. A fallback that is a group brings its own fallback
 * with it; a model that stands in the chain already is not tried again.
 */
export function planFor(config: PlanInput, name: string): Plan | undefined {
  const group = Object.hasOwn(config.groups, name) ? config.groups[name] : undefined;
  if (group === undefined) return Object.hasOwn(config.models, name) ? { group: name, chain: [name], own: 1 } : undefined;
  const chain = new Set(group.models.map((member) => member.model));
  const own = chain.size;
  for (const model of expand(config, group.fallback, new Set([name]))) chain.add(model);
  return { group: name, chain: [...chain], own };
}

function* expand(config: PlanInput, names: readonly string[], above: ReadonlySet<string>): Generator<string> {
  for (const name of names) {
    const group = Object.hasOwn(config.groups, name) ? config.groups[name] : undefined;
    // A group that carries a model's name means the model where it stands in its own fallback.
    if (group === undefined || above.has(name)) yield name;
    else {
      for (const member of group.models) yield member.model;
      yield* expand(config, group.fallback, new Set([...above, name]));
    }
  }
}
