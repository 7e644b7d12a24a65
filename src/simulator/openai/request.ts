/** The bytes of a chat request as what the simulator needs of it. */
import { checkMessages } from './check-messages.ts';
import { checkTools } from './check-tools.ts';
import { isObject, wrongType, type Json } from './check.ts';
import { notJson, refusal, type Refusal } from './errors.ts';
import { checkFields, checkUnknown } from './fields.ts';

export type ChatRequest = {
  stream: boolean;
  includeUsage: boolean;
  includeObfuscation: boolean;
  /** 0: no cap. */
  maxTokens: number;
  promptTokens: number;
  choices: number;
  tools: Json[];
  toolChoice: unknown;
  parallelToolCalls: boolean;
  /** The text of the last user message. */
  lastUser: string;
  responseFormat: Json | undefined;
  serviceTier: string;
};

export function parseBody(bytes: Buffer, contentType: string | undefined, lenient: boolean): { json: Json } | { refused: Refusal } {
  if (!lenient && !/^application\/json\b/i.test(contentType ?? '')) {
    return { refused: refusal(400, `Invalid Content-Type header (${contentType ?? ''}), expected application/json. (HINT: If you're using curl, you can pass -H 'Content-Type: application/json')`) };
  }
  try {
    const json: unknown = JSON.parse(bytes.toString('utf8'));
    return isObject(json) ? { json } : { refused: notJson() };
  } catch {
    return { refused: notJson() };
  }
}

export function modelOf(body: Json): { model: string } | { refused: Refusal } {
  const { model } = body;
  if (model === undefined || model === null || model === '') return { refused: refusal(400, 'you must provide a model parameter') };
  return typeof model === 'string' ? { model } : { refused: wrongType('model', 'a string', model) };
}

export function checkChat(body: Json, lenient: boolean): Refusal | undefined {
  return (lenient ? undefined : checkUnknown(body)) ?? checkMessages(body['messages']) ?? checkTools(body) ?? checkFields(body);
}

/** Only for a body that `checkChat` has passed. */
export function readChat(body: Json): ChatRequest {
  const messages = body['messages'] as Json[];
  const options = isObject(body['stream_options']) ? body['stream_options'] : {};
  const tier = body['service_tier'];
  return {
    stream: body['stream'] === true,
    includeUsage: options['include_usage'] === true,
    includeObfuscation: options['include_obfuscation'] !== false,
    maxTokens: numberOr(body['max_completion_tokens'], numberOr(body['max_tokens'], 0)),
    promptTokens: countPrompt(messages),
    choices: numberOr(body['n'], 1),
    tools: Array.isArray(body['tools']) ? body['tools'] : [],
    toolChoice: body['tool_choice'] ?? 'auto',
    parallelToolCalls: body['parallel_tool_calls'] !== false,
    lastUser: textOf(messages.findLast((message) => message['role'] === 'user')?.['content']),
    responseFormat: isObject(body['response_format']) ? body['response_format'] : undefined,
    serviceTier: typeof tier === 'string' && tier !== 'auto' ? tier : 'default',
  };
}

const TOKENS_OF_AN_IMAGE = 765;

/** A quarter of the bytes of all text, and 765 for an image (a 1024x1024 one in high detail). */
export function countPrompt(messages: readonly Json[]): number {
  let bytes = 0;
  let images = 0;
  for (const { content } of messages) {
    if (typeof content === 'string') bytes += Buffer.byteLength(content);
    else if (Array.isArray(content)) {
      for (const part of content as Json[]) {
        if (part['type'] === 'image_url') images++;
        else if (typeof part['text'] === 'string') bytes += Buffer.byteLength(part['text']);
      }
    }
  }
  return Math.ceil(bytes / 4) + images * TOKENS_OF_AN_IMAGE;
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: unknown) => (isObject(part) && typeof part['text'] === 'string' ? part['text'] : '')).join('');
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
