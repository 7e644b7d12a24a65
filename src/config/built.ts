/** What the schema knows and this version does not do yet. A version that builds one of these deletes its line. */

/**
 * Limits that would not be enforced are mistakes, not warnings: a file that states a limit relies on it.
 * `*` stands for any key. A path counts when it is there and holds something.
 */
export const UNENFORCED: readonly { readonly path: string; readonly only?: string; readonly message: string }[] = [
  { path: 'models.*.limits', only: 'auto', message: 'limits: auto is not enforced in this version: write the limits as numbers' },
  { path: 'apps.*.limits.*', message: 'limits of apps are not enforced in this version: remove this limit' },
];

/**
 * Accepted with one warning each, and without effect.
 * changed: set to something other than its default; stated: set at all, because even the default is not done yet;
 * on: true.
 */
export interface Later {
  readonly path: string;
  readonly when: 'changed' | 'stated' | 'on';
  readonly message: string;
}

const policy = [
  ['priority', 'priorities have no effect in this version'],
  ['reserve', 'the reserve has no effect in this version'],
] as const;

export const LATER: readonly Later[] = [
  { path: 'models.*.dropParams', when: 'on', message: 'dropParams has no effect in this version' },
  ...policy.map(([path, message]): Later => ({ path: `policy.${path}`, when: 'changed', message })),
  ...policy.map(([path, message]): Later => ({ path: `groups.*.policy.${path}`, when: 'changed', message })),
  { path: 'apps.*.priority', when: 'stated', message: 'priorities have no effect in this version' },
  { path: 'apps.*.whenExhausted', when: 'changed', message: 'whenExhausted has no effect in this version' },
  { path: 'telemetry.prompts', when: 'on', message: 'in this version prompts are never recorded' },
  { path: 'alerts.*', when: 'changed', message: 'alerts have no effect in this version' },
];

/** Providers that requests can be sent to. */
export const PROVIDERS: readonly string[] = ['openai'];
