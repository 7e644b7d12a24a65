/** POST /moderations: flagged is what speaks of killing. */
import type { Exchange } from '../exchange.ts';
import type { LiveModel } from '../models.ts';
import { randomText } from '../random.ts';
import { isObject, missing, type Json } from './check.ts';
import { refusal } from './errors.ts';
import type { Headers } from './headers.ts';
import { faultFor, modelCall, survives, tell, type Asked, type Checked } from './model-call.ts';

type ModerationRequest = Asked & { texts: string[] };

const CATEGORIES = [
  'harassment', 'harassment/threatening', 'sexual', 'hate', 'hate/threatening', 'illicit', 'illicit/violent', 'self-harm/intent', 'self-harm/instructions', 'self-harm', 'sexual/minors', 'violence', 'violence/graphic',
];

export function moderations(exchange: Exchange): Promise<void> {
  return modelCall(exchange, { defaultModel: 'omni-moderation-latest', check, answer });
}

function check(body: Json): Checked<ModerationRequest> {
  const { input } = body;
  if (input === undefined || input === null) return { refused: missing('input') };
  const texts = textsOf(input);
  if (texts === undefined) return { refused: refusal(400, "Invalid value for 'input': expected a string, an array of strings, or an array of content parts.", null, 'input') };
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  return { request: { stream: false, promptTokens: Math.ceil(bytes / 4), maxTokens: 0, texts } };
}

/** Parts make one input, texts one each. */
function textsOf(input: unknown): string[] | undefined {
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input) || input.length === 0) return undefined;
  if (input.every((item) => typeof item === 'string')) return input as string[];
  if (!input.every(isObject)) return undefined;
  return [input.map((part) => (typeof part['text'] === 'string' ? part['text'] : '')).join(' ')];
}

async function answer(exchange: Exchange, model: LiveModel, { texts }: ModerationRequest, limits: Headers): Promise<void> {
  const fault = faultFor(exchange, model.name);
  if (!(await survives(exchange, fault, limits, model))) return;
  const id = `modr-${randomText(exchange.core.random, 4, '0123456789')}`;
  const whole = (): string => JSON.stringify({ id, model: model.name, results: texts.map(judge) });
  await tell(exchange, model, fault, limits, { chunks: undefined, whole, tokens: 0 });
}

function judge(text: string) {
  const violent = /\bkill/i.test(text);
  const of = <V>(value: (category: string) => V) => Object.fromEntries(CATEGORIES.map((category) => [category, value(category)]));
  return {
    flagged: violent,
    categories: of((category) => violent && category === 'violence'),
    category_scores: of((category) => (violent && category === 'violence' ? 0.97 : 0.000_01)),
    category_applied_input_types: of(() => ['text']),
  };
}
