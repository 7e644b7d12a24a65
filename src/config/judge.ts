/** The schema's and all other checks over one tree, every mistake at once. */
import * as z from 'zod/mini';
import { azureHasAddress, costLimitsHavePrices, limitsAreEnforced, sharedBudgetsAgree } from './checks/models.ts';
import { keysAreNames, modelsAreThere, namesExist, noCircles, nothingIsAuto } from './checks/names.ts';
import { pastedSecrets } from './checks/pasted-secrets.ts';
import { redisIsOnePlace } from './checks/redis.ts';
import { inactive } from './inactive.ts';
import { findings, type Finding } from './issues.ts';
import { mapping, type Check, type Raw } from './raw.ts';
import { schema } from './schema.ts';
import type { Mistake, Tree } from './tree.ts';
import type { Config } from './types.ts';

export interface Verdict {
  /** Undefined if there is any mistake. */
  readonly config: Config | undefined;
  readonly mistakes: readonly Mistake[];
  readonly inactive: readonly (Mistake & { readonly path: string })[];
}

const CHECKS: readonly Check[] = [
  modelsAreThere,
  keysAreNames,
  nothingIsAuto,
  namesExist,
  noCircles,
  azureHasAddress,
  limitsAreEnforced,
  costLimitsHavePrices,
  redisIsOnePlace,
];

export function judge(tree: Tree, lineAt: (offset: number) => number): Verdict {
  const root: Raw = mapping(tree.value);
  const parsed = z.safeParse(schema, tree.value);
  const ofSchema = parsed.success ? [] : findings(parsed.error.issues, tree.value, schema);
  const beyond = [
    ...CHECKS.flatMap((check) => check(root)),
    ...sharedBudgetsAgree(root, (path) => lineAt(tree.offset(path, 'key'))),
  ];
  const secrets = pastedSecrets(tree.value);
  const mistakes = [...tree.mistakes, ...located(tree, withoutEchoes(ofSchema, beyond, secrets).filter((finding) => !unread(tree, finding)))];
  if (!parsed.success || mistakes.length > 0) return { config: undefined, mistakes, inactive: [] };
  const warnings = inactive(root, parsed.data, defaults());
  return { config: parsed.data, mistakes: [], inactive: warnings.map((one) => ({ offset: tree.offset(one.path, one.at), message: one.message, path: one.path.join('.') })) };
}

/** A configuration of nothing but defaults. */
export function defaults(): Config {
  return z.parse(schema, { models: { default: { provider: 'openai', model: 'default' } }, groups: {}, apps: { default: {} } });
}

/** One mistake, one message: a pasted secret speaks for its place, and the schema for a key that it does not know. */
function withoutEchoes(ofSchema: readonly Finding[], beyond: readonly Finding[], secrets: readonly Finding[]): Finding[] {
  const hidden = new Set(secrets.map(spot));
  const known = new Set(ofSchema.map(spot));
  const others = [...ofSchema, ...beyond.filter((finding) => !known.has(spot(finding)))].filter((finding) => !hidden.has(spot(finding)) && !inside(finding, secrets));
  return [...secrets, ...others];
}

/** { env: sk-… }: the secret is said once, not the shape of the reference around it as well. */
function inside({ path, at }: Finding, secrets: readonly Finding[]): boolean {
  return at === 'value' && secrets.some((secret) => ['env', 'file'].includes(String(secret.path.at(-1))) && secret.path.length === path.length + 1 && path.every((step, i) => secret.path[i] === step));
}

/** Only a whole mapping can lack a key. */
function unread({ broken }: Tree, { path, missing }: Finding): boolean {
  const key = JSON.stringify(path);
  const lacking = JSON.stringify(missing);
  return broken.some((one) => one.length === 0 || [key, lacking].includes(JSON.stringify(one)));
}

function spot({ path, at }: Finding): string {
  return JSON.stringify([at, path]);
}

function located(tree: Tree, found: readonly Finding[]): Mistake[] {
  return found.map(({ path, at, message }) => ({ offset: tree.offset(path, at), message }));
}
