import type { Actual, Ask } from '../budgets/types.ts';
import { estimateInput, estimateOutput, type Ratio, type Size } from './estimate.ts';

/** A model's limits as configured; a limit that is not set is not checked. */
export interface Limits {
  readonly requestsPerMinute?: number | undefined;
  readonly tokensPerMinute?: number | undefined;
  readonly inputTokensPerMinute?: number | undefined;
  readonly outputTokensPerMinute?: number | undefined;
  readonly concurrency?: number | undefined;
}

export interface Wanted extends Size {
  readonly maxTokens: number | undefined;
  readonly outputs: number;
}

/** What a request asks of a model's budget, cheapest check first. */
export function asksFor(limits: Limits, wanted: Wanted, ratio: Ratio): Ask[] {
  const asks: Ask[] = [];
  const { requestsPerMinute, tokensPerMinute, inputTokensPerMinute, outputTokensPerMinute, concurrency } = limits;
  if (requestsPerMinute !== undefined) asks.push({ dimension: 'requests', limit: requestsPerMinute, amount: 1 });
  if (tokensPerMinute !== undefined || inputTokensPerMinute !== undefined || outputTokensPerMinute !== undefined) {
    const input = estimateInput(wanted, ratio);
    const output = (limit: number): number => estimateOutput(wanted.maxTokens, wanted.outputs, limit);
    if (tokensPerMinute !== undefined) asks.push({ dimension: 'tokens', limit: tokensPerMinute, amount: input + output(tokensPerMinute) });
    if (inputTokensPerMinute !== undefined) asks.push({ dimension: 'input_tokens', limit: inputTokensPerMinute, amount: input });
    if (outputTokensPerMinute !== undefined) {
      asks.push({ dimension: 'output_tokens', limit: outputTokensPerMinute, amount: output(outputTokensPerMinute) });
    }
  }
  if (concurrency !== undefined) asks.push({ dimension: 'concurrency', limit: concurrency, amount: 1 });
  return asks;
}

/** What a call that is only forwarded asks: one request, and its place among those under way. */
export function callAsks({ requestsPerMinute, concurrency }: Limits): Ask[] {
  return asksFor({ requestsPerMinute, concurrency }, NOTHING, { mean: 0, variance: 0 });
}

const NOTHING: Wanted = { textBytes: 0, media: { bytes: 0, parts: 0 }, maxTokens: undefined, outputs: 0 };

/** Every limit with an amount of zero: for reading what is used. */
export function limitsAsAsks(limits: Limits): Ask[] {
  return asksFor(limits, NOTHING, { mean: 0, variance: 0 }).map(({ dimension, limit }) => ({ dimension, limit, amount: 0 }));
}

/** Never sent: everything goes back. */
export const UNSENT: Actual = { requests: 0, tokens: 0, input_tokens: 0, output_tokens: 0 };
/** Sent and turned away before any work: the call counts (OpenAI counts failed calls), its tokens do not. */
export const TURNED_AWAY: Actual = { requests: 1, tokens: 0, input_tokens: 0, output_tokens: 0 };
/** Sent, and what the upstream made of it is not known: what was reserved stays charged. */
export const UNKNOWN: Actual = {};

export function used(input: number, output: number): Actual {
  return { requests: 1, tokens: input + output, input_tokens: input, output_tokens: output };
}
