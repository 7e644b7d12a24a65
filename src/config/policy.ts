import type { Config, Limits, ModelConfig, Policy } from './types.ts';

/** The top policy with what the group overrides, key by key. A model that is named directly has the top policy. */
export function policyFor(config: Config, groupName: string): Policy {
  const own = Object.hasOwn(config.groups, groupName) ? config.groups[groupName]?.policy : undefined;
  if (!own) return config.policy;
  const { retry, timeouts, breaker, ...keys } = own;
  return {
    ...config.policy,
    ...present(keys),
    retry: { ...config.policy.retry, ...present(retry ?? {}) },
    timeouts: { ...config.policy.timeouts, ...present(timeouts ?? {}) },
    breaker: { ...config.policy.breaker, ...present(breaker ?? {}) },
  };
}

/** A model's limits as numbers; `auto` has none of its own. */
export function limitsOf(model: ModelConfig): Limits {
  return model.limits === 'auto' ? {} : model.limits;
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function present<T extends object>(keys: T): Present<T> {
  return Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined)) as Present<T>;
}
