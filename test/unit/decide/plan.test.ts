import { expect, test } from '@jest/globals';
import { planFor } from '../../../src/decide/plan.ts';

const group = (models: string[], fallback: string[] = []) => ({ models: models.map((model) => ({ model })), fallback });
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
