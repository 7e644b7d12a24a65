/** The request that is explained: how large its prompt counts. */
import type { Wanted } from '../../decide/asks.ts';
import { estimateInput, FIRST_RATIO, type Ratio } from '../../decide/estimate.ts';
import { openAiRequestReader } from '../../providers/openai/request.ts';

export interface Prompt {
  /** What a model's input budget is charged. */
  readonly tokens: number;
  readonly from: 'given' | 'measured' | 'unknown';
  /** Of the request around the text, as it would be measured on the road. */
  readonly bytes?: number;
  readonly wanted: Wanted;
  readonly ratio: Ratio;
}

/** A token counts as itself. */
const EXACT: Ratio = { mean: 1, variance: 0 };

/** @param tokens wins over the text */
export function promptOf(model: string, tokens: number | undefined, text: string | undefined): Prompt {
  if (tokens === undefined && text !== undefined) return measured(model, text);
  const wanted = { textBytes: tokens ?? 0, media: { bytes: 0, parts: 0 }, maxTokens: undefined, outputs: 1 };
  return { tokens: tokens ?? 0, from: tokens === undefined ? 'unknown' : 'given', wanted, ratio: EXACT };
}

/** Read by the road's own reader, so that what counts here is what counts there. */
function measured(model: string, text: string): Prompt {
  const body = Buffer.from(JSON.stringify({ model, messages: [{ role: 'user', content: text.toWellFormed() }] }));
  const wanted = openAiRequestReader('chat')(body, '');
  return { tokens: estimateInput(wanted, FIRST_RATIO), from: 'measured', bytes: body.length, wanted, ratio: FIRST_RATIO };
}
