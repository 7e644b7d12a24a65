/** A look at the file's values before anybody knows whether they are of the right kind. */
import type { Finding } from './issues.ts';
import type { Path } from './tree.ts';

export type Raw = Readonly<Record<string, unknown>>;
export type Check = (root: Raw) => Finding[];

export function mapping(value: unknown): Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : {};
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The sections under a key: every model, every group. */
export function sections(root: Raw, key: string): [string, Raw][] {
  return Object.entries(mapping(root[key])).map(([name, value]) => [name, mapping(value)]);
}

/** Every path of the file that fits the pattern; `*` fits any one key. */
export function matching(root: unknown, pattern: string): { path: Path; value: unknown }[] {
  let found: { path: Path; value: unknown }[] = [{ path: [], value: root }];
  for (const step of pattern.split('.')) {
    found = found.flatMap(({ path, value }) => {
      const keys = mapping(value);
      const names = step === '*' ? Object.keys(keys) : Object.hasOwn(keys, step) ? [step] : [];
      return names.map((name) => ({ path: [...path, name], value: keys[name] }));
    });
  }
  return found;
}
