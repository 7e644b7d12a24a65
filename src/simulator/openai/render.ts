/** Answers as OpenAI writes them: one object, or the chunks of a stream (recorded in the cassettes of envoyproxy/ai-gateway). */
import { randomText } from '../random.ts';
import type { Answer } from './answer.ts';
import type { ChatRequest } from './request.ts';

export type Identity = { id: string; created: number; model: string; fingerprint: string; callIds: string[] };

export function usageOf(promptTokens: number, completionTokens: number) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
  };
}

export function renderCompletion(request: ChatRequest, answer: Answer, who: Identity, withUsage: boolean): string {
  const message = answer.toolCalls.length > 0
    ? { role: 'assistant', content: null, tool_calls: toolCalls(answer, who), refusal: null, annotations: [] }
    : { role: 'assistant', content: answer.tokens.join(''), refusal: null, annotations: [] };
  const choices = Array.from({ length: request.choices }, (_, index) => ({ index, message, finish_reason: answer.finishReason }));
  return JSON.stringify({
    id: who.id, object: 'chat.completion', created: who.created, model: who.model,
    choices,
    ...(withUsage ? { usage: usageOf(request.promptTokens, answer.completionTokens) } : {}),
    service_tier: request.serviceTier, system_fingerprint: who.fingerprint,
  });
}

function toolCalls(answer: Answer, who: Identity) {
  return answer.toolCalls.map((call, i) => ({
    id: who.callIds[i], type: 'function', function: { name: call.name, arguments: call.argumentTokens.join('') },
  }));
}

/** One event's data, and how many tokens it brings. */
export type Chunk = { data: string; tokens: 0 | 1 };

export function* renderChunks(request: ChatRequest, answer: Answer, who: Identity, withUsage: boolean, random: () => number): Generator<Chunk> {
  const head = `{"id":${JSON.stringify(who.id)},"object":"chat.completion.chunk","created":${who.created},"model":${JSON.stringify(who.model)},`
    + `"service_tier":"${request.serviceTier}","system_fingerprint":${JSON.stringify(who.fingerprint)},"choices":[`;
  const usage = withUsage ? ',"usage":null' : '';
  const tail = (): string => (request.includeObfuscation ? `,"obfuscation":"${randomText(random, Math.floor(random() * 16))}"}` : '}');
  const chunk = (index: number, delta: string, finish: string | null, tokens: 0 | 1): Chunk => ({
    data: `${head}{"index":${index},"delta":${delta},"finish_reason":${finish === null ? 'null' : `"${finish}"`}}]${usage}${tail()}`,
    tokens,
  });
  const indexes = Array.from({ length: request.choices }, (_, i) => i);
  const opening = answer.toolCalls.length > 0 ? 'null' : '""';
  for (const index of indexes) yield chunk(index, `{"role":"assistant","content":${opening},"refusal":null}`, null, 0);
  // Choices take turns, as they do when they are sampled side by side.
  for (const token of answer.tokens) {
    const delta = `{"content":${JSON.stringify(token)}}`;
    for (const index of indexes) yield chunk(index, delta, null, 1);
  }
  for (const [i, call] of answer.toolCalls.entries()) {
    const named = JSON.stringify({ tool_calls: [{ index: i, id: who.callIds[i], type: 'function', function: { name: call.name, arguments: '' } }] });
    for (const index of indexes) yield chunk(index, named, null, 0);
    for (const fragment of call.argumentTokens) {
      const delta = `{"tool_calls":[{"index":${i},"function":{"arguments":${JSON.stringify(fragment)}}}]}`;
      for (const index of indexes) yield chunk(index, delta, null, 1);
    }
  }
  for (const index of indexes) yield chunk(index, '{}', answer.finishReason, 0);
  if (withUsage) yield { data: `${head}],"usage":${JSON.stringify(usageOf(request.promptTokens, answer.completionTokens))}${tail()}`, tokens: 0 };
}
