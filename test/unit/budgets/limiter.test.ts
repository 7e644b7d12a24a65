/** What is used of rate-limiter-flexible beyond its types: to be looked at when its version changes. */
import { expect, test } from '@jest/globals';
import type { RedisClient } from '../../../src/budgets/commands.ts';
import { ChainLimiter, type Question } from '../../../src/budgets/limiter.ts';
import type { Decision } from '../../../src/budgets/types.ts';

const decision = (chosen: number, by: Decision['by']): Decision => ({ chosen, refusals: [], levels: [], replayed: false, probe: false, would: null, by });
const question: Question = { candidates: [{ model: 'm', budget: 'b', asks: [] }], options: { enforce: true } };

function limiter(ask: (id: string, question: Question) => Promise<Decision>) {
  const insured: [string, Question][] = [];
  const client = { status: 'ready' } as unknown as RedisClient;
  const made = new ChainLimiter({
    client,
    ask,
    alone: (id, asked) => {
      insured.push([id, asked]);
      return decision(0, 'process');
    },
  });
  return { made, insured };
}

test('the store is asked with the id and the question as they are, and its decision comes back', async () => {
  const asked: [string, Question][] = [];
  const { made, insured } = limiter((id, its) => {
    asked.push([id, its]);
    return Promise.resolve(decision(1, 'redis'));
  });
  expect(await made.decide('pod.1', question)).toEqual(decision(1, 'redis'));
  expect(asked).toEqual([['pod.1', question]]);
  expect(asked[0]![1]).toBe(question);
  expect(insured).toEqual([]);
});

test('a refusal is a decision: the insurance is not asked', async () => {
  const { made, insured } = limiter(() => Promise.resolve(decision(-1, 'redis')));
  expect(await made.decide('pod.1', question)).toEqual(decision(-1, 'redis'));
  expect(insured).toEqual([]);
});

test('what is no decision goes to the insurance, with the same question', async () => {
  const { made, insured } = limiter(() => Promise.reject(new Error('no answer')));
  expect(await made.decide('pod.1', question)).toEqual(decision(0, 'process'));
  expect(insured).toEqual([['pod.1', question]]);
});
