/** What the pods share. The model stands for Redis: it runs the scripts' rules one after the other, on one clock. */
import { createModel, reserve, settle } from '../../src/budgets/model.ts';
import type { Ask, Candidate } from '../../src/budgets/types.ts';
import type { WindowShape } from '../../src/wire/window.ts';
import type { Limits } from './scenario.ts';

export interface Answer {
  readonly admitted: boolean;
  /** Milliseconds until there would be room; 0 or less: not known. */
  readonly waitMs: number;
}

/** What a call takes from the limits. */
export interface Amounts {
  readonly requests: number;
  readonly tokens: number;
}

/** `now` is the store's time, at which the message arrived. */
export interface Store {
  reserve(id: string, amounts: Amounts, now: number): Answer | Promise<Answer>;
  settle(id: string, actual: Amounts, now: number): void | Promise<void>;
}

export interface SpillwayOptions {
  readonly window: WindowShape;
  /** A limit that is left out is not checked. */
  readonly limits: Partial<Limits>;
}

export function spillway({ window, limits }: SpillwayOptions): Store {
  const model = createModel({ window, leaseMs: 30_000, recordMs: 600_000 });
  return {
    reserve(id, amounts, now) {
      const { chosen, refusals } = reserve(model, id, candidates(limits, amounts), Math.floor(now));
      return { admitted: chosen === 0, waitMs: refusals[0]?.waitMs ?? 0 };
    },
    settle(id, { requests, tokens }, now) {
      settle(model, id, { requests, tokens }, Math.floor(now));
    },
  };
}

export function candidates(limits: Partial<Limits>, { requests, tokens }: Amounts): Candidate[] {
  const asks: Ask[] = [];
  if (limits.requests !== undefined) asks.push({ dimension: 'requests', limit: limits.requests, amount: requests });
  if (limits.tokens !== undefined) asks.push({ dimension: 'tokens', limit: limits.tokens, amount: tokens });
  return [{ model: 'm', budget: 'b', asks }];
}
