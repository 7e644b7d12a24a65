/** What the model says: decided before the first byte, the same for the same request. */
import type { Fault } from '../faults.ts';
import { isObject, type Json } from './check.ts';
import type { ChatRequest } from './request.ts';
import { sample } from './sample.ts';

/** Tokens are pieces of text; joined they are the whole. */
export type ToolCall = { name: string; argumentTokens: string[] };
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

export type Answer = {
  /** The same for each choice. */
  tokens: string[];
  toolCalls: ToolCall[];
  finishReason: FinishReason;
  /** Over all choices; the names of tools are free. */
  completionTokens: number;
};

/** Some are more than a byte a letter, so that a reader who splits UTF-8 is found out. */
const WORDS = ['The', 'quick', 'brown', 'fox', 'jumps', 'over', 'a', 'naïve', 'dog', 'while', 'the', 'café', 'plays', 'a', '日本', 'song', 'and', 'we’re', 'all', 'happy', '👍'];

/** What of a request shapes its answer. */
export type Wish = Pick<ChatRequest, 'maxTokens' | 'choices' | 'tools' | 'toolChoice' | 'parallelToolCalls' | 'responseFormat'>;

export function planAnswer(request: Wish, text: string, answerTokens: number, fault: Fault): Answer {
  const cap = request.maxTokens === 0 ? Infinity : request.maxTokens;
  const toolCalls = planToolCalls(request, text);
  if (toolCalls.length > 0) return toolAnswer(request, toolCalls, cap);
  const wanted = wordsFor(request, text, Math.max(fault.answerTokens ?? answerTokens, breakingPoint(fault)));
  const tokens = wanted.length > cap ? wanted.slice(0, cap) : wanted;
  if (fault.contentFilter === 'finish') {
    const shown = tokens.slice(0, Math.ceil(tokens.length / 2));
    return { tokens: shown, toolCalls: [], finishReason: 'content_filter', completionTokens: shown.length * request.choices };
  }
  const finishReason = tokens.length < wanted.length ? 'length' : 'stop';
  return { tokens, toolCalls: [], finishReason, completionTokens: tokens.length * request.choices };
}

/** A short answer grows, so that `cut=40` does cut something. */
function breakingPoint(fault: Fault): number {
  const after = [fault.cut, fault.close, fault.errorEvent, fault.malformed, fault.stall?.after];
  return Math.max(0, ...after.filter((point) => point !== undefined).map((point) => point + 1));
}

function wordsFor(request: Wish, text: string, count: number): string[] {
  if (text.trimStart().startsWith('echo:')) return pieces(text.slice(text.indexOf('echo:') + 'echo:'.length).trimStart());
  const { responseFormat } = request;
  if (responseFormat?.['type'] === 'json_schema') {
    const wrapper = responseFormat['json_schema'];
    return pieces(JSON.stringify(sample(isObject(wrapper) ? wrapper['schema'] : {}), null, 1));
  }
  const words = Array.from({ length: count }, (_, i) => (i === 0 ? '' : ' ') + WORDS[i % WORDS.length]!);
  return responseFormat?.['type'] === 'json_object' ? ['{"answer":"', ...words, '"}'] : words;
}

function pieces(text: string): string[] {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}

function planToolCalls(request: Wish, text: string): ToolCall[] {
  const functions = request.tools.filter((tool) => tool['type'] === 'function').map((tool) => tool['function'] as Json);
  if (functions.length === 0 || request.toolChoice === 'none') return [];
  const named = isObject(request.toolChoice) && isObject(request.toolChoice['function']) ? request.toolChoice['function']['name'] : undefined;
  if (named === undefined && request.toolChoice === 'auto' && !/\btools?\b/i.test(text)) return [];
  const eligible = named === undefined ? functions : functions.filter((tool) => tool['name'] === named);
  const first = eligible[0];
  if (first === undefined) return [];
  const called = request.parallelToolCalls ? [first, eligible[1] ?? first] : [first];
  return called.map((tool) => ({
    name: String(tool['name']),
    argumentTokens: JSON.stringify(sample(tool['parameters'] ?? {})).match(/.{1,6}/gsu) ?? [],
  }));
}

function toolAnswer(request: Wish, calls: ToolCall[], cap: number): Answer {
  let room = cap;
  const toolCalls: ToolCall[] = [];
  for (const call of calls) {
    if (room <= 0) break;
    toolCalls.push({ ...call, argumentTokens: call.argumentTokens.slice(0, room) });
    room -= call.argumentTokens.length;
  }
  const used = toolCalls.reduce((sum, call) => sum + call.argumentTokens.length, 0);
  // A forced function ends with "stop", not "tool_calls" (OpenAI's function calling guide).
  const finished = isObject(request.toolChoice) && request.toolChoice['type'] === 'function' ? 'stop' : 'tool_calls';
  return { tokens: [], toolCalls, finishReason: room < 0 ? 'length' : finished, completionTokens: used * request.choices };
}
