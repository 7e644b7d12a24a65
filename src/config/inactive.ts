/** What a valid file asks for that this version does not do: one warning each, never silence. */
import { LATER, PROVIDERS, type Later } from './built.ts';
import { valueAt, type Finding } from './issues.ts';
import { matching, sections, type Raw } from './raw.ts';
import type { Path } from './tree.ts';
import type { Config } from './types.ts';

/** @param standard a configuration with nothing but defaults */
export function inactive(root: Raw, config: Config, standard: Config): Finding[] {
  return [...LATER.flatMap((later) => asked(later, root, config, standard)), ...providers(root)];
}

function asked({ path: pattern, when, message }: Later, root: Raw, config: Config, standard: Config): Finding[] {
  return matching(root, pattern)
    .filter(({ path }) => {
      const value = valueAt(config, path);
      if (when === 'stated') return value !== undefined;
      if (when === 'on') return value === true;
      return JSON.stringify(value) !== JSON.stringify(valueAt(standard, defaultPath(path)));
    })
    .map(({ path }) => ({ path, at: 'key', message }));
}

/** Where the default of a key stands in a configuration of defaults; a group's policy has the top policy's. */
function defaultPath(path: Path): Path {
  if (path[0] === 'groups' && path[2] === 'policy') return path.slice(2);
  return path[0] === 'apps' ? ['apps', 'default', ...path.slice(2)] : path;
}

function providers(root: Raw): Finding[] {
  return sections(root, 'models').flatMap(([name, { provider }]): Finding[] =>
    PROVIDERS.includes(String(provider))
      ? []
      : [{ path: ['models', name, 'provider'], at: 'value', message: `models with provider ${String(provider)} are skipped as untranslatable in this version` }],
  );
}
