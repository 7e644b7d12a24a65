/** What the schema knows and this version does not do yet. A version that builds one of these deletes its line. */

/**
 * Limits that would not be enforced are mistakes, not warnings: a file that states a limit relies on it.
 * `*` stands for any key. A path counts when it is there and holds something.
 */
export const UNENFORCED: readonly { readonly path: string; readonly only?: string; readonly message: string }[] = [
  { path: 'models.*.limits', only: 'auto', message: 'limits: auto is not enforced in this version: write the limits as numbers' },
  { path: 'models.*.limits.costPerDay', message: 'costPerDay is not enforced in this version: remove it' },
  { path: 'models.*.limits.costPerMonth', message: 'costPerMonth is not enforced in this version: remove it' },
  { path: 'apps.*.limits.*', message: 'limits of apps are not enforced in this version: remove this limit' },
];

/**
 * Accepted with one warning each, and without effect.
 * changed: set to something other than its default; stated: set at all, because even the default is not done yet;
 * filled: set, and neither empty nor off.
 */
export interface Later {
  readonly path: string;
  readonly when: 'changed' | 'stated' | 'filled';
  readonly message: string;
}

const policy = [
  ['retry.*', 'retries on the same model have no effect in this version'],
  ['breaker.*', 'the breaker has no effect in this version'],
  ['streamRecovery', 'in this version a stream that broke always ends with an error'],
  ['hedge', 'hedging has no effect in this version'],
  ['wait', 'waiting for the primary has no effect in this version'],
  ['priority', 'priorities have no effect in this version'],
  ['reserve', 'the reserve has no effect in this version'],
] as const;

export const LATER: readonly Later[] = [
  { path: 'models.*.contextWindow', when: 'stated', message: 'contextWindow has no effect in this version: the upstream refuses a prompt that is too long' },
  { path: 'models.*.dropParams', when: 'filled', message: 'dropParams has no effect in this version' },
  { path: 'groups.*.contextWindowFallback', when: 'filled', message: 'contextWindowFallback has no effect in this version' },
  { path: 'groups.*.contentPolicyFallback', when: 'filled', message: 'contentPolicyFallback has no effect in this version' },
  ...policy.map(([path, message]): Later => ({ path: `policy.${path}`, when: 'changed', message })),
  ...policy.map(([path, message]): Later => ({ path: `groups.*.policy.${path}`, when: 'changed', message })),
  { path: 'apps.*.priority', when: 'stated', message: 'priorities have no effect in this version' },
  { path: 'apps.*.whenExhausted', when: 'changed', message: 'whenExhausted has no effect in this version' },
  { path: 'tasks', when: 'stated', message: 'tasks have no effect in this version: "auto" is not known' },
  { path: 'budgets.enforce', when: 'changed', message: 'in this version budgets are always enforced' },
  { path: 'budgets.outputEstimate', when: 'stated', message: 'outputEstimate: learned has no effect in this version' },
  { path: 'budgets.whenRedisIsDown', when: 'changed', message: 'in this version the share is always what remains while Redis is away' },
  { path: 'drills', when: 'filled', message: 'drills have no effect in this version' },
  { path: 'telemetry.prompts', when: 'filled', message: 'in this version prompts are never recorded' },
  { path: 'alerts.*', when: 'changed', message: 'alerts have no effect in this version' },
];

/** Providers that requests can be sent to. */
export const PROVIDERS: readonly string[] = ['openai'];

/** Whether the members of a group share the load; false: they are tried in the order listed. */
export const BALANCES = false as boolean;
