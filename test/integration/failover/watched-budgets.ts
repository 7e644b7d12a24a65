/** The true budgets, with every reservation and every settle written down. To be set up before anything of the product is imported. */
import { jest } from '@jest/globals';
import type { Budgets, Decision } from '../../../src/budgets/types.ts';

export interface Watch {
  /** How often each reservation was settled. */
  readonly settled: Map<string, number>;
  /** Settled without having been reserved. */
  readonly strangers: string[];
  /** How long each decision takes, in ms, by the place of the question; as with a Redis that is slow. */
  delay: (question: number) => number;
}

const MODULE = '../../../src/budgets/create.ts';

export async function watchBudgets(): Promise<Watch> {
  const actual = (await import('../../../src/budgets/create.ts')) as typeof import('../../../src/budgets/create.ts');
  const watch: Watch = { settled: new Map(), strangers: [], delay: () => 0 };
  jest.unstable_mockModule(MODULE, () => ({ createBudgets: async (options: Parameters<typeof actual.createBudgets>[0]) => watched(await actual.createBudgets(options), watch) }));
  return watch;
}

function watched(budgets: Budgets, watch: Watch): Budgets {
  let questions = 0;
  const note = (id: string, decision: Decision): Decision => {
    if (decision.chosen >= 0) watch.settled.set(id, 0);
    return decision;
  };
  return new Proxy(budgets, {
    get(target, name: keyof Budgets) {
      if (name === 'reserve') {
        return (...question: Parameters<Budgets['reserve']>) => {
          const ms = watch.delay(questions++);
          const noted = (decision: Decision): Decision => note(question[0], decision);
          if (ms > 0) return new Promise((resolve) => setTimeout(resolve, ms)).then(() => target.reserve(...question)).then(noted);
          const decision = target.reserve(...question);
          return decision instanceof Promise ? decision.then(noted) : noted(decision);
        };
      }
      if (name === 'settle') {
        return (...said: Parameters<Budgets['settle']>) => {
          const times = watch.settled.get(said[0]);
          if (times === undefined) watch.strangers.push(said[0]);
          else watch.settled.set(said[0], times + 1);
          target.settle(...said);
        };
      }
      const value = target[name];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
