import type { Usage } from '../types.ts';
import { field, isRecord } from '../../wire/record.ts';

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
