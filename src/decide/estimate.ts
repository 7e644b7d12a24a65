/**
 * What a request will take from a token budget, before it is sent. Input: the body's bytes times a running ratio per model,
 * corrected by the usage that upstreams report (limiter study 4.5); base64 data counts as a fixed figure a part.
 */
import type { Media } from '../wire/json-scan.ts';

/** Tokens per byte of the request's JSON, as upstreams have reported them: mean and variance, decayed. */
export interface Ratio {
  readonly mean: number;
  readonly variance: number;
}

/** Before anything is known: 3 bytes a token. English JSON has about 4, and too much is given back. */
export const FIRST_RATIO: Ratio = { mean: 1 / 3, variance: 0 };

/** An image of common size is 765 to 1,105 tokens at OpenAI's high detail (vision guide). */
export const MEDIA_TOKENS = 1000;
/** What an answer reserves when the caller sets no `max_tokens`. */
export const DEFAULT_OUTPUT = 1000;

const WEIGHT = 0.1;
/** Ratios beyond these are a meter's mistake, or hardly any text: they teach nothing. */
const LEAST = 0.02;
const MOST = 1.5;

export interface Size {
  readonly textBytes: number;
  readonly media: Media;
}

/** Tokens of the input, with two standard deviations on top. */
export function estimateInput(size: Size, ratio: Ratio): number {
  const perByte = Math.min(MOST, ratio.mean + 2 * Math.sqrt(ratio.variance));
  return Math.ceil(size.textBytes * perByte) + size.media.parts * MEDIA_TOKENS;
}

/** The ratio after an upstream has reported `input` tokens for a request of this size. */
export function learn(ratio: Ratio, size: Size, input: number): Ratio {
  if (size.media.parts > 0 || size.textBytes === 0) return ratio;
  const seen = input / size.textBytes;
  if (seen < LEAST || seen > MOST) return ratio;
  const difference = seen - ratio.mean;
  return {
    mean: ratio.mean + WEIGHT * difference,
    variance: (1 - WEIGHT) * (ratio.variance + WEIGHT * difference * difference),
  };
}

/** What of a request says how long its answer may be. */
export interface WantedOutput {
  /** The most tokens that one choice may have, if the caller set it. */
  readonly maxTokens: number | undefined;
  /** Choices that the model writes; 0 for an embedding. */
  readonly outputs: number;
}

/** `budgets.outputEstimate`: how many tokens an answer reserves. */
export interface OutputEstimator {
  /** Undefined: not known yet, and each limit is asked for what `estimateOutput` says. */
  tokens(model: string, app: string | undefined, wanted: WantedOutput): number | undefined;
}

/** `max-tokens`: all that the caller allows. */
export const MAX_TOKENS: OutputEstimator = {
  tokens: (_model, _app, { maxTokens, outputs }) => (maxTokens ?? DEFAULT_OUTPUT) * outputs,
};

/**
 * While nothing is known of a model's answers: what the caller allows, else 1,000, but never more than a tenth of the limit, so
 * that a generous `max_tokens` does not shut a small budget. What an answer uses beyond is charged when it is known.
 */
export function estimateOutput(maxTokens: number | undefined, outputs: number, limit: number): number {
  const wanted = (maxTokens ?? DEFAULT_OUTPUT) * outputs;
  return Math.min(wanted, Math.max(1, Math.floor(limit / 10)));
}
