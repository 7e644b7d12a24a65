import { expect, test } from '@jest/globals';
import { stagesFor } from '../../../src/decide/stages.ts';

const group = (models: string[], fallback: string[] = []) => ({
  models: models.map((model) => ({ model, weight: 1 })),
  balance: 'weighted' as const,
  fallback,
  contextWindowFallback: [],
  contentPolicyFallback: [],
});
const config = {
  models: { a: {}, b: {}, c: {}, d: {}, same: {} },
  groups: {
    flat: group(['a', 'b'], ['c']),
    nested: group(['a'], ['flat', 'd']),
    deep: group(['d'], ['nested']),
    same: group(['a'], ['same', 'b']),
    twice: group(['a', 'a'], ['b', 'a', 'b']),
  },
};

/** All stages one after the other. */
function planFor(input: typeof config, name: string) {
  const stages = stagesFor(input, name);
  const chain = stages.flatMap(({ members }) => members.map(({ model }) => model));
  return stages.length === 0 ? undefined : { group: name, chain, own: stages[0]!.members.length };
}

test.each([
  ['flat', ['a', 'b', 'c'], 2],
  ['nested', ['a', 'b', 'c', 'd'], 1],
  ['deep', ['d', 'a', 'b', 'c'], 1],
  ['same', ['a', 'same', 'b'], 1],
  ['twice', ['a', 'b'], 1],
  ['c', ['c'], 1],
])('%s', (name, chain, own) => {
  expect(planFor(config, name)).toEqual({ group: name, chain, own });
});

test.each([['unknown'], ['__proto__'], ['toString'], ['']])('%j means nothing', (name) => {
  expect(planFor(config, name)).toBeUndefined();
});
