/** POST /completions, the older way: a text goes on. */
import type { Exchange } from '../exchange.ts';
import { directivesIn } from '../fault-text.ts';
import type { LiveModel } from '../models.ts';
import { randomText } from '../random.ts';
import { planAnswer, type FinishReason } from './answer.ts';
import { flag, inRange, isObject, object, text, wrongType, type Check, type Json } from './check.ts';
import { isTokens, tokensOf } from './embeddings.ts';
import { contextExceeded, refusal, type Refusal } from './errors.ts';
import { checkKnown, checkStreamOptions, checkWith, stop, streamOptions } from './fields.ts';
import type { Headers } from './headers.ts';
import { faultFor, modelCall, survives, tell, type Asked, type Checked } from './model-call.ts';
import { usageOf, type Chunk } from './render.ts';

type Prompt = string | number[];
type CompletionRequest = Asked & { prompts: Prompt[]; choices: number; generated: number; echo: boolean; includeUsage: boolean };

/** OpenAI's default of `max_tokens` here. */
const STANDARD_LENGTH = 16;
/** What a missing prompt means. */
const BEGINNING = '<|endoftext|>';

const anything: Check = () => undefined;
const FIELDS: Record<string, Check> = {
  best_of: inRange('integer', 1, 20),
  echo: flag,
  frequency_penalty: inRange('decimal', -2, 2),
  logit_bias: object,
  logprobs: inRange('integer', 0, 5),
  max_tokens: inRange('integer', 0),
  model: anything,
  n: inRange('integer', 1, 128),
  presence_penalty: inRange('decimal', -2, 2),
  prompt: anything,
  seed: inRange('integer', -Infinity),
  stop,
  stream: flag,
  stream_options: streamOptions,
  suffix: text,
  temperature: inRange('decimal', 0, 2),
  top_p: inRange('decimal', 0, 1),
  user: text,
};

export const COMPLETION_FIELDS: readonly string[] = Object.keys(FIELDS);

export function completions(exchange: Exchange): Promise<void> {
  return modelCall(exchange, { check, answer });
}

function check(body: Json, model: LiveModel, lenient: boolean): Checked<CompletionRequest> {
  const refused = (lenient ? undefined : checkKnown(FIELDS, body)) ?? checkWith(FIELDS, body) ?? checkStreamOptions(body);
  if (refused !== undefined) return { refused };
  const prompts = promptsOf(body['prompt']);
  if (!Array.isArray(prompts)) return { refused: prompts };
  const number = (name: string, otherwise: number): number => (typeof body[name] === 'number' ? body[name] : otherwise);
  const choices = number('n', 1);
  const generated = number('best_of', choices);
  if (generated < choices) {
    return { refused: refusal(400, `You requested that the server return more choices than it will generate (HINT: you must either set 'n' (currently ${choices}) to be at most 'best_of' (currently ${generated}), or omit either parameter if you don't specifically want to use them.)`) };
  }
  if (generated > choices && body['stream'] === true) return { refused: refusal(400, "You cannot stream results with 'best_of' greater than 'n'.", null, 'best_of') };
  const maxTokens = number('max_tokens', STANDARD_LENGTH);
  const sizes = prompts.map(tokensOf);
  const longest = Math.max(...sizes);
  if (longest + maxTokens > model.contextWindow) return { refused: contextExceeded(model.contextWindow, longest, maxTokens) };
  const options = isObject(body['stream_options']) ? body['stream_options'] : {};
  return {
    request: {
      stream: body['stream'] === true,
      promptTokens: sizes.reduce((sum, size) => sum + size, 0),
      maxTokens,
      prompts,
      choices,
      generated,
      echo: body['echo'] === true,
      includeUsage: options['include_usage'] === true,
    },
  };
}

function promptsOf(prompt: unknown): Prompt[] | Refusal {
  if (prompt === undefined || prompt === null) return [BEGINNING];
  if (typeof prompt === 'string') return [prompt];
  if (!Array.isArray(prompt)) return wrongType('prompt', 'one of a string, array of strings, array of integers, or array of integer arrays', prompt);
  if (prompt.length === 0) return [BEGINNING];
  if (isTokens(prompt)) return [prompt];
  const whole = prompt.every((item) => typeof item === 'string') || prompt.every((item) => Array.isArray(item) && isTokens(item));
  return whole ? (prompt as Prompt[]) : wrongType('prompt', 'one of a string, array of strings, array of integers, or array of integer arrays', prompt);
}

/** One of the answer's choices; `echo` is not charged. */
type Choice = { echo: string; tokens: string[]; finishReason: FinishReason };

async function answer(exchange: Exchange, model: LiveModel, request: CompletionRequest, limits: Headers): Promise<void> {
  const { core } = exchange;
  const [first] = request.prompts;
  const { fault: asked } = directivesIn(typeof first === 'string' ? first : '');
  const fault = faultFor(exchange, model.name, asked);
  if (!(await survives(exchange, fault, limits, model))) return;
  const choices = request.prompts.flatMap((prompt) => {
    const words = typeof prompt === 'string' ? directivesIn(prompt).rest : '';
    const { tokens, finishReason } = planAnswer({ ...PLAIN, maxTokens: request.maxTokens }, words, model.answerTokens, fault);
    const none = request.maxTokens === 0;
    const choice: Choice = { echo: request.echo ? words : '', tokens: none ? [] : tokens, finishReason: none ? 'length' : finishReason };
    return Array.from({ length: request.choices }, () => choice);
  });
  const shown = choices.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const who = { id: `cmpl-${randomText(core.random, 29)}`, object: 'text_completion', created: Math.floor(core.clock() / 1000), model: model.datedName };
  const usage = usageOf(request.promptTokens, (shown / request.choices) * request.generated);
  const withUsage = fault.usageMissing !== true;
  await tell(exchange, model, fault, limits, {
    chunks: request.stream ? render(choices, who, request.includeUsage && withUsage ? usage : undefined) : undefined,
    whole: () => JSON.stringify({ ...who, choices: choices.map(({ echo, tokens, finishReason }, index) => choiceOf(echo + tokens.join(''), index, finishReason)), ...(withUsage ? { usage } : {}) }),
    tokens: shown,
  });
}

const PLAIN = { choices: 1, tools: [], toolChoice: 'none', parallelToolCalls: false, responseFormat: undefined };

function choiceOf(text: string, index: number, finish: FinishReason | null) {
  return { text, index, logprobs: null, finish_reason: finish };
}

/** Choices take turns; the last of each brings no text. */
function* render(choices: readonly Choice[], who: object, usage: object | undefined): Generator<Chunk> {
  const chunk = (tokens: 0 | 1, ...given: object[]): Chunk => ({ data: JSON.stringify({ ...who, choices: given, ...(usage && { usage: null }) }), tokens });
  for (const [index, { echo }] of choices.entries()) if (echo !== '') yield chunk(0, choiceOf(echo, index, null));
  const longest = Math.max(...choices.map(({ tokens }) => tokens.length));
  for (let i = 0; i < longest; i++) {
    for (const [index, { tokens }] of choices.entries()) if (i < tokens.length) yield chunk(1, choiceOf(tokens[i]!, index, null));
  }
  for (const [index, { finishReason }] of choices.entries()) yield chunk(0, choiceOf('', index, finishReason));
  if (usage !== undefined) yield { data: JSON.stringify({ ...who, choices: [], usage }), tokens: 0 };
}
