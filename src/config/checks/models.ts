/** What must be true of models beyond the kinds of their values. */
import { valueAt, type Finding } from '../issues.ts';
import { UNENFORCED } from '../built.ts';
import { mapping, matching, sections, type Check, type Raw } from '../raw.ts';
import type { Path } from '../tree.ts';

export const azureHasAddress: Check = (root) =>
  sections(root, 'models').flatMap(([name, model]): Finding[] =>
    model['provider'] === 'azure' && model['baseUrl'] === undefined
      ? [{ path: ['models', name, 'provider'], at: 'value', message: 'provider azure needs baseUrl: the address of your resource, such as https://NAME.openai.azure.com/openai/v1' }]
      : [],
  );

export const limitsAreEnforced: Check = (root) =>
  UNENFORCED.flatMap(({ path, only, message }) =>
    matching(root, path)
      .filter(({ value }) => value !== undefined && value !== null && (only === undefined || value === only))
      .map(({ path }): Finding => ({ path, at: only === undefined ? 'key' : 'value', message })),
  );

export const costLimitsHavePrices: Check = (root) =>
  ['costPerDay', 'costPerMonth'].flatMap((key) =>
    matching(root, `models.*.limits.${key}`)
      .filter(({ path, value }) => value !== undefined && value !== null && valueAt(root, [...path.slice(0, 2), 'price']) === undefined)
      .map(({ path }): Finding => ({ path, at: 'key', message: `${key} needs a price: { input: …, output: … }, in US dollars per million tokens` })),
  );

/**
 * One budget has one set of limits. A model without `budget` has one of its own name, which another model may name too.
 * @param lineOf so that the message can name the other place
 */
export function sharedBudgetsAgree(root: Raw, lineOf: (path: Path) => number): Finding[] {
  const first = new Map<string, { name: string; limits: string }>();
  const found: Finding[] = [];
  for (const [name, model] of sections(root, 'models')) {
    const budget = typeof model['budget'] === 'string' ? model['budget'] : name;
    const limits = written(model['limits']);
    const other = first.get(budget);
    if (!other) first.set(budget, { name, limits });
    else if (other.limits !== limits) {
      const line = lineOf(limitsOrModel(root, other.name));
      const message = `models that share the budget "${budget}" need equal limits: "${other.name}" on line ${line} has ${other.limits}, "${name}" has ${limits}`;
      found.push({ path: limitsOrModel(root, name), at: 'key', message });
    }
  }
  return found;
}

function limitsOrModel(root: Raw, name: string): Path {
  const has = mapping(mapping(root['models'])[name])['limits'] !== undefined;
  return has ? ['models', name, 'limits'] : ['models', name];
}

/** Only what limits can be, so that nothing else of the file gets into a message. */
function written(limits: unknown): string {
  const entries = Object.entries(mapping(limits)).filter((entry): entry is [string, number] => typeof entry[1] === 'number' && /^[a-zA-Z]{1,30}$/.test(entry[0]));
  if (entries.length === 0) return limits === 'auto' ? 'auto' : 'no limits';
  return entries
    .map(([key, value]) => `${key}: ${value}`)
    .toSorted()
    .join(', ');
}
