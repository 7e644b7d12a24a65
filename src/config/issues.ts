/** What zod found, in words a user can act on, at the place in the file where the mistake is. */
import type * as z from 'zod/mini';
import { nearest } from '../wire/nearest.ts';
import { quoted } from './looks-like-secret.ts';
import { knownKeys } from './known-keys.ts';
import type { At, Path } from './tree.ts';

export interface Finding {
  readonly path: Path;
  readonly at: At;
  readonly message: string;
  /** What is missing; it has no place of its own. */
  readonly missing?: Path;
}

type Issue = z.core.$ZodIssue;
/** Zod's own message where the schema brought none. */
const NONE = 'Invalid input';

export function findings(issues: readonly Issue[], root: unknown, schema: z.core.$ZodType): Finding[] {
  return issues.flatMap((issue) => explain(issue, [], root, schema));
}

function explain(issue: Issue, before: Path, root: unknown, schema: z.core.$ZodType): Finding[] {
  const path = [...before, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, path, valueAt(root, path));
    return issue.keys.map((key) => ({ path: [...path, key], at: 'key', message: unknownKey(key, known) }));
  }
  if (issue.code === 'invalid_union') {
    const inner = onlyBranch(issue.errors);
    if (inner) return inner.flatMap((one) => explain(one, path, root, schema));
  }
  const value = valueAt(root, path);
  if (value === undefined) return [{ path: path.slice(0, -1), at: 'value', missing: path, message: `${quoted(String(path.at(-1)))} is missing` }];
  return [{ path, at: 'value', message: wrongValue(issue, value) }];
}

export function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  if (near !== undefined) return `unknown key ${quoted(key)}: did you mean "${near}"?`;
  return `unknown key ${quoted(key)}: ${known.length > 0 ? `known here are ${known.join(', ')}` : 'none is known here'}`;
}

/** The one alternative that the value was meant to be: text for text, a mapping for a mapping. */
function onlyBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const meant = branches.filter(
    (issues) => !issues.some(({ code, path }) => path.length === 0 && (code === 'invalid_type' || code === 'invalid_value')),
  );
  return meant.length === 1 ? meant[0] : undefined;
}

function wrongValue(issue: Issue, value: unknown): string {
  if (issue.message !== NONE && value !== null) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      if (issue.expected === 'int' && typeof value === 'number') return 'expected a whole number';
      return `expected ${WANTED[issue.expected] ?? issue.expected}, found ${kindOf(value)}${hint(issue.expected, value)}`;
    case 'invalid_value':
      return oneOf(issue.values.map(String), value);
    case 'too_small':
      return `must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`;
    case 'too_big':
      return issue.maximum >= Number.MAX_SAFE_INTEGER ? 'this number is too large' : `must be at most ${issue.maximum}`;
    default:
      return value === null ? 'expected a value, found nothing: fill it in or remove the key' : issue.message;
  }
}

const WANTED: Readonly<Record<string, string>> = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

function hint(expected: string, value: unknown): string {
  if (value === null) return ': fill it in or remove the key';
  return expected === 'string' && typeof value !== 'object' ? ': put quotes around it' : '';
}

function oneOf(values: readonly string[], value: unknown): string {
  const near = typeof value === 'string' ? nearest(value, values) : undefined;
  return `expected ${values.length > 1 ? 'one of ' : ''}${values.join(', ')}${near === undefined ? '' : `; did you mean ${near}?`}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number') return Number.isFinite(value) ? 'a number' : 'an infinite number';
  return { string: 'text', boolean: 'true or false', object: 'a mapping' }[typeof value as 'string'] ?? 'something else';
}

export function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) => (typeof value === 'object' && value !== null && Object.hasOwn(value, step) ? (value as Record<string, unknown>)[step] : undefined),
    root,
  );
}
