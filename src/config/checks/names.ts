/** Every name that is used must exist, mean one thing, and lead somewhere. */
import { nearest } from '../../wire/nearest.ts';
import type { Finding } from '../issues.ts';
import { quoted } from '../looks-like-secret.ts';
import { list, mapping, sections, type Check, type Raw } from '../raw.ts';
import { wrongHeaderName } from '../schema/http.ts';
import { NAME, NAME_WANTED } from '../schema/fields.ts';
import type { Path } from '../tree.ts';

export const FALLBACKS = ['fallback', 'contextWindowFallback', 'contentPolicyFallback'];

/** Keys that are names; the schema leaves them to us, so that a wrong one does not hide what is under it. */
export const keysAreNames: Check = (root) => {
  const found: Finding[] = [];
  for (const section of ['models', 'groups', 'apps']) {
    for (const name of Object.keys(mapping(root[section]))) {
      if (!NAME.test(name)) found.push({ path: [section, name], at: 'key', message: NAME_WANTED });
    }
  }
  for (const [name, model] of sections(root, 'models')) {
    for (const header of Object.keys(mapping(model['headers']))) {
      const message = wrongHeaderName(header);
      if (message !== undefined) found.push({ path: ['models', name, 'headers', header], at: 'key', message });
    }
  }
  return found;
};

/** `auto` asks for a group by task, so nothing may be called so. */
export const nothingIsAuto: Check = (root) =>
  (['models', 'groups'] as const).flatMap((section) =>
    Object.hasOwn(mapping(root[section]), 'auto')
      ? [{ path: [section, 'auto'], at: 'key' as const, message: 'the name auto is taken: "model": "auto" picks a group by task; use another name' }]
      : [],
  );

export const modelsAreThere: Check = (root) =>
  root['models'] !== undefined && isEmptyMap(root['models'])
    ? [{ path: ['models'], at: 'value', message: 'models is empty: at least one model is needed' }]
    : [];

/** Each compares a name with every other; the first ones show the author what happened. */
const MOST_HINTS = 50;

/** Members are models; fallbacks, tasks and apps may name either. */
export const namesExist: Check = (root) => {
  const models = Object.keys(mapping(root['models']));
  const both = [...new Set([...Object.keys(mapping(root['groups'])), ...models])];
  const found: Finding[] = [];
  const need = (path: Path, name: unknown, known: readonly string[], kind: string): void => {
    // A name of the wrong form is the schema's to report; without models every name would be unknown.
    if (typeof name !== 'string' || !NAME.test(name) || known.includes(name) || models.length === 0) return;
    if (both.includes(name)) {
      found.push({ path, at: 'value', message: `${quoted(name)} is a group, and the members of a group are models: name its models here, or the group in fallback` });
      return;
    }
    const near = found.length < MOST_HINTS ? nearest(name, known) : undefined;
    const hint = near === undefined ? listed(known) : `did you mean "${near}"?`;
    found.push({ path, at: 'value', message: `there is no ${kind} ${quoted(name)}: ${hint}` });
  };
  for (const [group, keys] of sections(root, 'groups')) {
    for (const [i, member] of list(keys['models']).entries()) {
      const path = ['groups', group, 'models', i];
      if (typeof member === 'string') need(path, member, models, 'model');
      else need([...path, 'model'], mapping(member)['model'], models, 'model');
    }
    for (const key of FALLBACKS) {
      for (const [i, name] of list(keys[key]).entries()) need(['groups', group, key, i], name, both, 'model or group');
    }
  }
  for (const [app, keys] of sections(root, 'apps')) {
    if (keys['whenExhausted'] !== 'refuse') need(['apps', app, 'whenExhausted'], keys['whenExhausted'], both, 'group');
  }
  const tasks = mapping(root['tasks']);
  need(['tasks', 'default'], tasks['default'], both, 'group');
  for (const [i, rule] of list(tasks['rules']).entries()) need(['tasks', 'rules', i, 'group'], mapping(rule)['group'], both, 'group');
  return found;
};

function listed(known: readonly string[]): string {
  const shown = known.slice(0, 12).join(', ');
  return `known are ${shown}${known.length > 12 ? ` and ${known.length - 12} more` : ''}`;
}

function isEmptyMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}

/** The groups that a group leads to, and the places that say so. Its own name means the model of that name, if there is one. */
function edges(root: Raw, group: string): { to: string; path: Path }[] {
  const groups = mapping(root['groups']);
  const keys = mapping(groups[group]);
  return FALLBACKS.flatMap((key) =>
    list(keys[key]).flatMap((name, i) => {
      if (typeof name !== 'string' || !Object.hasOwn(groups, name)) return [];
      if (name === group && Object.hasOwn(mapping(root['models']), name)) return [];
      return [{ to: name, path: ['groups', group, key, i] }];
    }),
  );
}

/** Depth first, without recursion: a chain of groups may be as long as the file. */
export const noCircles: Check = (root) => {
  const found: Finding[] = [];
  const done = new Set<string>();
  for (const start of Object.keys(mapping(root['groups']))) {
    if (done.has(start)) continue;
    const trail = [{ group: start, next: edges(root, start) }];
    while (trail.length > 0) {
      const here = trail.at(-1)!;
      const edge = here.next.shift();
      if (!edge) {
        done.add(here.group);
        trail.pop();
        continue;
      }
      const from = trail.findIndex(({ group }) => group === edge.to);
      if (from >= 0) {
        const names = [...trail.slice(from).map(({ group }) => group), edge.to].join(' -> ');
        found.push({ path: edge.path, at: 'value', message: `groups lead in a circle: ${names}; remove one of these steps` });
      } else if (!done.has(edge.to)) trail.push({ group: edge.to, next: edges(root, edge.to) });
    }
  }
  return found;
};
