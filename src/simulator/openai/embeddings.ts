/** POST /embeddings: vectors of length one, the same for the same input and model, others for any other. */
import { createHash } from 'node:crypto';
import type { Exchange } from '../exchange.ts';
import type { LiveModel } from '../models.ts';
import { seeded } from '../random.ts';
import { inRange, missing, one, text, tooLong, type Check, type Json } from './check.ts';
import { contextExceeded, refusal, type Refusal } from './errors.ts';
import { checkKnown, checkWith } from './fields.ts';
import type { Headers } from './headers.ts';
import { faultFor, modelCall, survives, tell, type Asked, type Checked } from './model-call.ts';

type Input = string | number[];
type EmbeddingRequest = Asked & { inputs: Input[]; base64: boolean; dimensions: number };

const STANDARD_DIMENSIONS = 1536;
const MOST_INPUTS = 2048;

const anything: Check = () => undefined;
const FIELDS: Record<string, Check> = {
  dimensions: inRange('integer', 1, 3072),
  encoding_format: one(['float', 'base64']),
  input: anything,
  model: anything,
  user: text,
};

export const EMBEDDING_FIELDS: readonly string[] = Object.keys(FIELDS);

export function embeddings(exchange: Exchange): Promise<void> {
  return modelCall(exchange, { check, answer });
}

function check(body: Json, model: LiveModel, lenient: boolean): Checked<EmbeddingRequest> {
  const refused = (lenient ? undefined : checkKnown(FIELDS, body)) ?? checkWith(FIELDS, body);
  if (refused !== undefined) return { refused };
  const inputs = inputsOf(body['input']);
  if (!Array.isArray(inputs)) return { refused: inputs };
  const sizes = inputs.map(tokensOf);
  const longest = Math.max(...sizes);
  if (longest > model.contextWindow) return { refused: contextExceeded(model.contextWindow, longest, 0) };
  return {
    request: {
      stream: false,
      promptTokens: sizes.reduce((sum, size) => sum + size, 0),
      maxTokens: 0,
      inputs,
      base64: body['encoding_format'] === 'base64',
      dimensions: typeof body['dimensions'] === 'number' ? body['dimensions'] : STANDARD_DIMENSIONS,
    },
  };
}

/** These very words, without param and code (openai-python#576, lightdash#18938). */
const invalidInput = (): Refusal => refusal(400, "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.");

function inputsOf(input: unknown): Input[] | Refusal {
  if (input === undefined || input === null) return missing('input');
  if (typeof input === 'string') return input === '' ? invalidInput() : [input];
  if (!Array.isArray(input) || input.length === 0) return invalidInput();
  if (isTokens(input)) return [input];
  if (input.length > MOST_INPUTS) return tooLong('input', MOST_INPUTS, input.length);
  const whole = input.every((item) => typeof item === 'string' && item !== '') || input.every((item) => Array.isArray(item) && item.length > 0 && isTokens(item));
  return whole ? (input as Input[]) : invalidInput();
}

export function isTokens(list: unknown[]): list is number[] {
  return list.every((item) => typeof item === 'number' && Number.isInteger(item) && item >= 0);
}

/** As in a chat: a quarter of the bytes; a token is a token. */
export function tokensOf(input: Input): number {
  return typeof input === 'string' ? Math.ceil(Buffer.byteLength(input) / 4) : input.length;
}

async function answer(exchange: Exchange, model: LiveModel, request: EmbeddingRequest, limits: Headers): Promise<void> {
  const fault = faultFor(exchange, model.name);
  if (!(await survives(exchange, fault, limits, model))) return;
  const usage = { prompt_tokens: request.promptTokens, total_tokens: request.promptTokens };
  const whole = (): string => {
    const data = request.inputs.map((input, index) => ({ object: 'embedding', index, embedding: shown(vectorFor(model.name, input, request.dimensions), request.base64) }));
    return JSON.stringify({ object: 'list', data, model: model.datedName, ...(fault.usageMissing === true ? {} : { usage }) });
  };
  await tell(exchange, model, fault, limits, { chunks: undefined, whole, tokens: 0 });
}

export function vectorFor(model: string, input: Input, dimensions: number): Float32Array {
  const seed = createHash('sha256').update(`${model}\n${JSON.stringify(input)}`).digest().readUInt32LE(0);
  const random = seeded(seed);
  const values = Float32Array.from({ length: dimensions }, () => random() * 2 - 1);
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}

function shown(vector: Float32Array, base64: boolean): string | number[] {
  return base64 ? Buffer.from(vector.buffer).toString('base64') : [...vector];
}
