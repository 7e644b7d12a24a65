/** The policy that a group has, and what of it is its own. */
import { policyFor } from '../../config/policy.ts';
import type { Config, Policy } from '../../config/types.ts';
import { formatDuration } from '../../wire/duration.ts';

export interface PolicyInForce {
  readonly deadline: string;
  readonly maxAttempts: number;
  readonly timeouts: Readonly<Record<string, string>>;
  readonly breaker: { readonly failures: number; readonly window: string; readonly open: string };
  readonly retry: { readonly attempts: number; readonly backoff: string; readonly maxBackoff: string; readonly honourRetryAfter: string };
  readonly streamRecovery: Policy['streamRecovery'];
  readonly hedge: { readonly after: string; readonly maxShare: number } | null;
  readonly wait: string;
  /** What the group says itself, beside what the top policy says. */
  readonly overrides: readonly Override[];
}

export interface Override {
  /** As in the file: timeouts.total. */
  readonly key: string;
  readonly value: unknown;
  readonly instead: unknown;
}

export function policyInForce(config: Config, name: string): PolicyInForce {
  const { deadline, maxAttempts, timeouts, breaker, retry, streamRecovery, hedge, wait } = policyFor(config, name);
  const own = Object.hasOwn(config.groups, name) ? config.groups[name]?.policy : undefined;
  const top = new Map(leaves(config.policy));
  return {
    deadline: formatDuration(deadline),
    maxAttempts,
    timeouts: Object.fromEntries(Object.entries(timeouts).map(([key, ms]) => [key, formatDuration(ms)])),
    breaker: { failures: breaker.failures, window: formatDuration(breaker.window), open: formatDuration(breaker.open) },
    retry: { attempts: retry.attempts, backoff: formatDuration(retry.backoff), maxBackoff: formatDuration(retry.maxBackoff), honourRetryAfter: formatDuration(retry.honourRetryAfter) },
    streamRecovery,
    hedge: hedge && { after: formatDuration(hedge.after), maxShare: hedge.maxShare },
    wait: formatDuration(wait),
    overrides: leaves(own ?? {}).map(([key, value]) => ({ key, value: written(key, value), instead: written(key, top.get(key)) })),
  };
}

const SECTIONS: ReadonlySet<string> = new Set(['retry', 'timeouts', 'breaker']);

function leaves(policy: object): [string, unknown][] {
  return Object.entries(policy).flatMap(([key, value]: [string, unknown]): [string, unknown][] =>
    SECTIONS.has(key) ? Object.entries(value ?? {}).map(([inner, one]) => [`${key}.${inner}`, one]) : [[key, value]],
  ).filter(([, value]) => value !== undefined);
}

/** Keys whose values are milliseconds by now; their authors wrote durations. */
const DURATIONS = /^(?:deadline|wait|timeouts\..+|breaker\.(?:window|open)|retry\.(?:backoff|maxBackoff|honourRetryAfter)|after)$/;

function written(key: string, value: unknown): unknown {
  if (typeof value === 'number') return DURATIONS.test(key) ? formatDuration(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([inner, one]) => [inner, written(inner, one)]));
}
