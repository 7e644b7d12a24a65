/** The scripts that run in Redis, read from lua/ once at start; `--- @include "x"` stands for lua/include/x.lua. */
import { readFileSync } from 'node:fs';

export const SCRIPT_NAMES = ['reserve', 'settle', 'beat', 'usage'] as const;
export type ScriptName = (typeof SCRIPT_NAMES)[number];
export type Scripts = Readonly<Record<ScriptName, string>>;

export function loadScripts(): Scripts {
  const ring = readFileSync(new URL('./lua/include/ring.lua', import.meta.url), 'utf8');
  const load = (file: URL) => resolveIncludes(readFileSync(file, 'utf8'), { ring });
  return {
    reserve: load(new URL('./lua/reserve.lua', import.meta.url)),
    settle: load(new URL('./lua/settle.lua', import.meta.url)),
    beat: load(new URL('./lua/beat.lua', import.meta.url)),
    usage: load(new URL('./lua/usage.lua', import.meta.url)),
  };
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
