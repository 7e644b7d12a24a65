import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { stagesFor, type StagesInput } from '../../../src/decide/stages.ts';
import { planFor } from './plan-oracle.ts';

type Group = StagesInput['groups'][string];

const group = (models: (string | [string, number])[], ways: Partial<Group> = {}): Group => ({
  models: models.map((one) => (typeof one === 'string' ? { model: one, weight: 1 } : { model: one[0], weight: one[1] })),
  balance: 'weighted',
  fallback: [],
  contextWindowFallback: [],
  contentPolicyFallback: [],
  ...ways,
});

const config: StagesInput = {
  models: { a: {}, b: {}, c: {}, d: {}, pool: {} },
  groups: {
    main: group(['a', ['b', 3]], { balance: 'least-busy', fallback: ['pool', 'd'], contextWindowFallback: ['long', 'b'], contentPolicyFallback: ['d'] }),
    pool: group(['b', 'c'], { balance: 'round-robin', fallback: ['pool', 'd'] }),
    long: group(['d'], { fallback: ['c'], contextWindowFallback: ['pool'] }),
    twice: group(['a', ['a', 2], 'b']),
    same: group(['a'], { fallback: ['same', 'a'] }),
  },
};

const shown = (name: string, way?: Parameters<typeof stagesFor>[2]) =>
  stagesFor(config, name, way).map(({ of, through, balance, members }) => [of, through, balance, members.map(({ model, weight }) => `${model}:${weight}`).join(' ')]);

describe('stages', () => {
  test('a group in the fallback shares its load as it says, without models that were there before', () => {
    expect(shown('main')).toEqual([
      ['main', undefined, 'least-busy', 'a:1 b:3'],
      ['main', 'pool', 'round-robin', 'c:1'],
      ['pool', undefined, 'weighted', 'pool:1'],
      ['pool', undefined, 'weighted', 'd:1'],
    ]);
  });

  test('long prompts and refusals have their own ways; what a group on them falls back to is its fallback', () => {
    expect(shown('main', 'contextWindowFallback')).toEqual([
      ['main', undefined, 'least-busy', 'a:1 b:3'],
      ['main', 'long', 'weighted', 'd:1'],
      ['long', undefined, 'weighted', 'c:1'],
    ]);
    expect(shown('main', 'contentPolicyFallback').slice(1)).toEqual([['main', undefined, 'weighted', 'd:1']]);
  });

  test('a model that stands in a group twice has both weights', () => expect(shown('twice')).toEqual([['twice', undefined, 'weighted', 'a:3 b:1']]));

  test('a model is a group of one, and a name that means nothing has none', () => {
    expect(shown('c')).toEqual([['c', undefined, 'weighted', 'c:1']]);
    expect(shown('c', 'contextWindowFallback')).toHaveLength(1);
    for (const name of ['unknown', '__proto__', 'toString', '']) expect(shown(name)).toEqual([]);
  });

  test('one after the other they are the plan', () => {
    const names = ['a', 'b', 'c', 'd'];
    const made = fc.array(fc.record({ models: fc.array(fc.constantFrom(...names), { minLength: 1 }), fallback: fc.array(fc.constantFrom(...names, 'g1', 'g2', 'g3')) }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(made, (made) => {
        const groups = Object.fromEntries(made.map(({ models, fallback }, i) => [`g${i}`, group(models, { fallback: fallback.filter((to) => !to.startsWith('g') || to > `g${i}`) })]));
        const input: StagesInput = { models: { a: {}, b: {}, c: {}, d: {} }, groups };
        const stages = stagesFor(input, 'g0');
        const plan = planFor(input, 'g0')!;
        expect(stages.flatMap(({ members }) => members.map(({ model }) => model))).toEqual(plan.chain);
        expect(stages[0]!.members).toHaveLength(plan.own);
      }),
    );
  });
});
