/** The scripts that run in Redis, read from lua/ once at start; `--- @include "x"` stands for lua/include/x.lua. */
import { readFileSync } from 'node:fs';

export const SCRIPT_NAMES = ['apply', 'beat', 'usage'] as const;
export type ScriptName = (typeof SCRIPT_NAMES)[number];
export type Scripts = Readonly<Record<ScriptName, string>>;

const INCLUDES = ['base', 'ring', 'money', 'health', 'budget', 'record'] as const;

export function loadScripts(): Scripts {
  const read = (path: string) => readFileSync(new URL(`./lua/${path}.lua`, import.meta.url), 'utf8');
  const includes = Object.fromEntries(INCLUDES.map((name) => [name, read(`include/${name}`)]));
  const load = (name: ScriptName) => resolveIncludes(read(name), includes);
  return { apply: load('apply'), beat: load('beat'), usage: load('usage') };
}

/** Comments are left out: every new connection sends the text once. */
export function resolveIncludes(text: string, includes: Readonly<Record<string, string>>): string {
  const whole = text.replace(/^--- @include "(\w+)"$/gm, (_line, name: string) => {
    const included = includes[name];
    if (included === undefined) throw new Error(`a script includes "${name}", which does not exist`);
    return included;
  });
  return whole.replace(/^ *--.*\n/gm, '');
}
