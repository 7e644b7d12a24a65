import type { ContinueBy, SoFar, Usage } from '../types.ts';
import { field, isRecord } from '../../wire/record.ts';
import { INSTRUCTION } from './continue.ts';

/** The `usage` object of chat completions (openai 7 types, CompletionUsage): cached and reasoning are inside the totals. */
export function readUsage(value: unknown): Usage | undefined {
  if (!isRecord(value)) return undefined;
  const input = count(value['prompt_tokens']);
  const output = count(value['completion_tokens']);
  if (input === undefined && output === undefined) return undefined;
  const prompt = field(value, 'prompt_tokens_details');
  const completion = field(value, 'completion_tokens_details');
  return {
    input: input ?? 0,
    output: output ?? 0,
    cacheRead: count(field(prompt, 'cached_tokens')) ?? 0,
    cacheWrite: count(field(prompt, 'cache_write_tokens')) ?? 0,
    reasoning: count(field(completion, 'reasoning_tokens')) ?? 0,
  };
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? Math.ceil(value) : undefined;
}

/** Around an answer that stands in the prompt, and behind it where a message asks to go on. */
const FRAME: Readonly<Record<ContinueBy, number>> = { prefill: 4, instruction: 12 + Math.ceil(INSTRUCTION.length / 4) };

/**
 * The usage of an answer that several models wrote, from what the last reports: the input of the first request (where nobody
 * reported it, what the last had without the text so far), the output of all. Undefined for what is no usage.
 */
export function jointUsage(reported: unknown, soFar: SoFar, by: ContinueBy): Record<string, unknown> | undefined {
  const own = readUsage(reported);
  if (own === undefined || !isRecord(reported)) return undefined;
  const added = soFar.text === '' ? 0 : soFar.textTokens + FRAME[by];
  const input = soFar.input ?? Math.max(1, own.input - added);
  const output = soFar.tokens + own.output;
  const details = field(reported, 'prompt_tokens_details');
  const cached = isRecord(details) && own.cacheRead > input ? { prompt_tokens_details: { ...details, cached_tokens: input } } : {};
  return { ...reported, ...cached, prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}
