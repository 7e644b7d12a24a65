/** What is used of rate-limiter-flexible beyond its types: to be looked at when its version changes. */
import { expect, test } from '@jest/globals';
import type { Question } from '../../../src/budgets/collector.ts';
import type { RedisClient } from '../../../src/budgets/commands.ts';
import { ChainLimiter } from '../../../src/budgets/limiter.ts';
import type { Decision } from '../../../src/budgets/types.ts';

const decision = (chosen: number, by: Decision['by']): Decision => ({ chosen, refusals: [], levels: [], replayed: false, probe: false, would: null, by });
const question = (id: string): Question => ({ kind: 'reserve', id, candidates: [], enforce: true, decision: undefined, settled: undefined });

/** What becomes of three questions of one turn. */
async function decided(ask: (questions: readonly Question[]) => Promise<void>) {
  const insured: Question[] = [];
  const limiter = new ChainLimiter({
    client: { status: 'ready' } as unknown as RedisClient,
    ask,
    alone: (its) => {
      insured.push(its);
      return decision(0, 'process');
    },
  });
  const questions = ['a', 'b', 'c'].map(question);
  await limiter.decide(questions);
  return { questions, insured, by: questions.map((its) => its.decision?.by) };
}

test('the store is asked once, with the questions as they are, and its decisions stand; a refusal is one', async () => {
  const asked: (readonly Question[])[] = [];
  const { questions, insured } = await decided(async (its) => {
    asked.push(its);
    for (const [i, one] of its.entries()) one.decision = decision(i - 1, 'redis');
  });
  expect(asked).toHaveLength(1);
  expect(asked[0]).toBe(questions);
  expect(questions.map((its) => its.decision)).toEqual([-1, 0, 1].map((chosen) => decision(chosen, 'redis')));
  expect(insured).toEqual([]);
});

test('when the store decides nothing, the insurance decides the whole turn, with the same questions in their order', async () => {
  const { questions, insured, by } = await decided(() => Promise.reject(new Error('no answer')));
  expect(by).toEqual(['process', 'process', 'process']);
  expect(insured).toHaveLength(3);
  for (const [i, one] of insured.entries()) expect(one).toBe(questions[i]);
});

test('what the store decided of a turn stands; the insurance decides the rest', async () => {
  const { insured, by } = await decided(async (questions) => {
    questions[1]!.decision = decision(-1, 'redis');
    throw new Error('not all');
  });
  expect(by).toEqual(['process', 'redis', 'process']);
  expect(insured.map(({ id }) => id)).toEqual(['a', 'c']);
});

test('an insurance that fails is heard of', async () => {
  const limiter = new ChainLimiter({
    client: { status: 'ready' } as unknown as RedisClient,
    ask: () => Promise.reject(new Error('no answer')),
    alone: () => {
      throw new Error('broken');
    },
  });
  await expect(limiter.decide([question('a')])).rejects.toThrow('broken');
});
