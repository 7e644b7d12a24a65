/** Reads how full all budgets are, a part at a time: Redis does nothing else while a script runs. */
import type { Health, Level, Subjects, Usage } from './types.ts';

const BATCH = 50;

/** @param read one script call */
export async function usageInParts({ budgets, models }: Subjects, read: (part: Subjects) => Promise<Usage>): Promise<Usage> {
  const names = [...budgets.keys()];
  const levels = new Map<string, readonly Level[]>();
  const health = new Map<string, Health>();
  for (let at = 0; at < names.length; at += BATCH) {
    const part = new Set(names.slice(at, at + BATCH));
    const usage = await read({
      budgets: new Map([...budgets].filter(([name]) => part.has(name))),
      models: new Map([...models].filter(([, budget]) => part.has(budget))),
    });
    for (const [name, its] of usage.levels) levels.set(name, its);
    for (const [name, its] of usage.health) health.set(name, its);
  }
  return { levels, health };
}
