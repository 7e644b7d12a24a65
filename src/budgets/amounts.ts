/** Amounts as the engines take them: whole and not negative, whatever an estimate or an upstream's usage says. */
import type { Actual, Dimension } from './types.ts';

/** Redis counts in 64-bit integers, JavaScript and Lua exactly only up to 2^53. */
const LARGEST = 2 ** 50;

/** It came to nothing: everything goes back. */
export const NOTHING: Actual = { requests: 0, tokens: 0, input_tokens: 0, output_tokens: 0, cost_day: 0, cost_month: 0 };

export function wholeAmount(amount: number): number {
  return Number.isNaN(amount) ? 0 : Math.min(LARGEST, Math.max(0, Math.ceil(amount)));
}

/** Undefined if the use of this dimension is not known: what was reserved is kept. */
export function knownAmount(actual: Actual, dimension: Dimension): number | undefined {
  const amount = actual[dimension];
  return amount === undefined || Number.isNaN(amount) ? undefined : wholeAmount(amount);
}
