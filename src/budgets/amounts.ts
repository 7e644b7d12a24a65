/** Amounts as the engines take them: whole and not negative, whatever an estimate or an upstream's usage says. */
import type { Actual, Dimension } from './types.ts';

const DIMENSIONS: readonly Dimension[] = ['requests', 'tokens', 'input_tokens', 'output_tokens', 'concurrency'];

/** Redis counts in 64-bit integers, JavaScript and Lua exactly only up to 2^53. */
const LARGEST = 2 ** 50;

export function wholeAmount(amount: number): number {
  return Number.isNaN(amount) ? 0 : Math.min(LARGEST, Math.max(0, Math.ceil(amount)));
}

/** The dimensions of which the use is known; the others keep what was reserved. */
export function knownAmounts(actual: Actual): [Dimension, number][] {
  const known: [Dimension, number][] = [];
  for (const dimension of DIMENSIONS) {
    const amount = actual[dimension];
    if (amount !== undefined && !Number.isNaN(amount)) known.push([dimension, wholeAmount(amount)]);
  }
  return known;
}
