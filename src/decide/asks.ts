/** What a request takes from a model's budget: before it is sent as estimated, afterwards as used. */
import type { Actual, Ask, Dimension } from '../budgets/types.ts';
import { sized } from '../wire/sized.ts';
import { estimateInput, estimateOutput, type Ratio, type Size, type WantedOutput } from './estimate.ts';
import { costOf, nanoDollars, priceOf, type PerMillion, type Price } from './price.ts';

/** A model's limits as configured; a limit that is not set is not checked. */
export interface Limits {
  readonly requestsPerMinute?: number | undefined;
  readonly tokensPerMinute?: number | undefined;
  readonly inputTokensPerMinute?: number | undefined;
  readonly outputTokensPerMinute?: number | undefined;
  readonly concurrency?: number | undefined;
  /** US dollars; these need a price. */
  readonly costPerDay?: number | undefined;
  readonly costPerMonth?: number | undefined;
}

export interface Wanted extends Size, WantedOutput {}

/** A model's limits, made ready once an edit. */
export interface PreparedLimits {
  /** Cheapest check first. */
  readonly parts: readonly Part[];
  /** The checks that are the same for every request; if these are all, there is nothing to estimate. */
  readonly fixed: readonly Ask[];
  /** Undefined: its calls cost nothing that is known. */
  readonly price: Price | undefined;
}

interface Part {
  readonly dimension: Dimension;
  readonly limit: number;
  /** The whole check, where it depends on no request. */
  readonly fixed: Ask | undefined;
  /** As many output tokens as the limit would hold. */
  readonly holds: number;
  readonly of: (input: number, output: number) => number;
}

export function prepareLimits(limits: Limits, perMillion?: PerMillion): PreparedLimits {
  const parts: Part[] = [];
  const price = perMillion && priceOf(perMillion);
  const once = (dimension: Dimension, limit: number | undefined): void => {
    if (limit !== undefined) parts.push({ dimension, limit, fixed: { dimension, limit, amount: 1 }, holds: limit, of: () => 1 });
  };
  const measured = (dimension: Dimension, limit: number | undefined, of: Part['of']): void => {
    if (limit !== undefined) parts.push({ dimension, limit, fixed: undefined, holds: limit, of });
  };
  const cost = (dimension: Dimension, dollars: number | undefined): void => {
    if (dollars === undefined) return;
    if (price === undefined) throw new Error(`${dimension} is limited, and there is no price`);
    const limit = nanoDollars(dollars);
    parts.push({ dimension, limit, fixed: undefined, holds: limit / (price.outputPico / 1000), of: (input, output) => costOf(price, input, output) });
  };
  once('requests', limits.requestsPerMinute);
  measured('tokens', limits.tokensPerMinute, (input, output) => input + output);
  measured('input_tokens', limits.inputTokensPerMinute, (input) => input);
  measured('output_tokens', limits.outputTokensPerMinute, (_, output) => output);
  once('concurrency', limits.concurrency);
  cost('cost_day', limits.costPerDay);
  cost('cost_month', limits.costPerMonth);
  return { parts, fixed: parts.flatMap(({ fixed }) => fixed ?? []), price };
}

/**
 * What a request asks of a model's budget.
 * @param output what its answer reserves (an `OutputEstimator` says); undefined if nothing is known of such answers
 */
export function asksFor({ parts, fixed }: PreparedLimits, wanted: Wanted, ratio: Ratio, output: number | undefined): readonly Ask[] {
  if (fixed.length === parts.length) return fixed;
  const input = estimateInput(wanted, ratio);
  const asks = sized<Ask>(parts.length);
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    asks[i] = part.fixed ?? { dimension: part.dimension, limit: part.limit, amount: amountOf(part, wanted, input, output) };
  }
  return asks;
}

/**
 * An answer never reserves more than what an empty budget holds: a budget that is smaller than what answers have used, or than
 * `max_tokens`, would let nothing through ever again. A request that is too large with even a short answer stays too large.
 */
function amountOf({ limit, holds, of }: Part, wanted: Wanted, input: number, output: number | undefined): number {
  const amount = output === undefined ? Infinity : of(input, output);
  if (amount <= limit) return amount;
  const least = of(input, estimateOutput(wanted.maxTokens, wanted.outputs, holds));
  return output === undefined ? least : Math.max(limit, least);
}

/** What a call that is only forwarded asks: one request, and its place among those under way. What it costs is not known. */
export function callAsks({ fixed }: PreparedLimits): readonly Ask[] {
  return fixed;
}

/** Every limit with an amount of zero: for reading what is used. */
export function limitsAsAsks({ parts }: PreparedLimits): Ask[] {
  return parts.map(({ dimension, limit }) => ({ dimension, limit, amount: 0 }));
}

/** Never sent: everything goes back. */
export const UNSENT: Actual = { requests: 0, tokens: 0, input_tokens: 0, output_tokens: 0, cost_day: 0, cost_month: 0 };
/** Sent and turned away before any work: the call counts (OpenAI counts failed calls), its tokens and their cost do not. */
export const TURNED_AWAY: Actual = { ...UNSENT, requests: 1 };
/** Sent, and what the upstream made of it is not known: what was reserved stays charged. */
export const UNKNOWN: Actual = {};

/** What an answer used, as the upstream reported it. */
export function used(input: number, output: number, price: Price | undefined): Actual {
  const cost = price === undefined ? 0 : costOf(price, input, output);
  return { requests: 1, tokens: input + output, input_tokens: input, output_tokens: output, cost_day: cost, cost_month: cost };
}

/** What an answer has used so far, or in all where the upstream reports no usage: what went as estimated, what came as counted. */
export function soFar(wanted: Size, ratio: Ratio, counted: number, price: Price | undefined): Actual {
  return used(estimateInput(wanted, ratio), counted, price);
}
