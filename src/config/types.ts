/** The configuration as everybody else sees it: durations in milliseconds, defaults filled in. */
import type * as z from 'zod/mini';
import type { schema } from './schema.ts';
import type { reference } from './schema/fields.ts';
import type { limits } from './schema/models.ts';
import type { policyOverrides } from './schema/policy.ts';

export type Config = z.output<typeof schema>;
/** What a file may hold, before defaults. */
export type ConfigInput = z.input<typeof schema>;

export type ModelConfig = Config['models'][string];
export type Provider = ModelConfig['provider'];
export type Limits = z.output<typeof limits>;
export type GroupConfig = Config['groups'][string];
export type Member = GroupConfig['models'][number];
export type Balance = GroupConfig['balance'];
export type Policy = Config['policy'];
export type PolicyOverrides = z.output<typeof policyOverrides>;
export type Priority = Policy['priority'];
export type AppConfig = Config['apps'][string];
export type TasksConfig = NonNullable<Config['tasks']>;
export type BudgetsConfig = Config['budgets'];
export type RedisConfig = NonNullable<Config['redis']>;
export type AlertsConfig = Config['alerts'];

/** Where a secret is to be found. */
export type SecretRef = z.output<typeof reference>;

/** A mistake, or a warning, at a place in the user's own file; lines and columns begin at 1. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** Something the file asks for that this version does not do yet. */
export interface Inactive extends Problem {
  /** The keys that lead there, joined with dots. */
  readonly path: string;
}

export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly hash: string; readonly inactive: readonly Inactive[] }
  | { readonly ok: false; readonly problems: readonly Problem[]; readonly hash: string };
