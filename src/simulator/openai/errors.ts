/**
 * OpenAI's error answers, with the texts that users have posted. Sources are named where a text is not common:
 * cassettes = envoyproxy/ai-gateway tests/internal/testopenai/cassettes.
 */
import type { Admission } from '../models.ts';
import { goDuration } from './duration.ts';

export type Refusal = { status: number; body: string; contentType: string; headers?: Record<string, string> };

export function refusal(
  status: number,
  message: string,
  code: string | null = null,
  param: string | null = null,
  type: string = 'invalid_request_error',
): Refusal {
  const body = JSON.stringify({ error: { message, type, param, code } }, null, 2);
  return { status, body: `${body}\n`, contentType: 'application/json' };
}

const KEYS_AT = 'https://platform.openai.com/account/api-keys';

export const noKey = (): Refusal =>
  refusal(401, `You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the API from your browser and are prompted for a username and password. You can obtain an API key from ${KEYS_AT}.`);

export const wrongKey = (key: string): Refusal =>
  refusal(401, `Incorrect API key provided: ${mask(key)}. You can find your API key at ${KEYS_AT}.`, 'invalid_api_key');

export const unknownModel = (model: string): Refusal =>
  refusal(404, `The model \`${model}\` does not exist or you do not have access to it.`, 'model_not_found');

export const unknownUrl = (method: string, path: string): Refusal => refusal(404, `Invalid URL (${method} ${path})`);

export const wrongMethod = (method: string, path: string): Refusal =>
  refusal(405, `Not allowed to ${method} on ${path}. (HINT: Perhaps you meant to use a different HTTP method?)`, 'method_not_supported');

export const tooLarge = (limit: number): Refusal => ({
  ...refusal(413, `Maximum request body size ${limit} exceeded.`),
  headers: { connection: 'close' },
});

export const notJson = (): Refusal =>
  refusal(400, "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have trouble figuring out how to fix this, please contact us through our help center at help.openai.com.)");

export const contextExceeded = (window: number, prompt: number, completion: number): Refusal => {
  const asked = completion === 0
    ? `your messages resulted in ${prompt} tokens. Please reduce the length of the messages.`
    : `you requested ${prompt + completion} tokens (${prompt} in the messages, ${completion} in the completion). Please reduce the length of the messages or completion.`;
  return refusal(400, `This model's maximum context length is ${window} tokens. However, ${asked}`, 'context_length_exceeded', 'messages');
};

/** The texts: BuilderIO/micro-agent#86 (reached), DrShushen/climb#13 (too large). */
export function rateLimited(model: string, admission: Extract<Admission, { admitted: false }>): Refusal {
  const { short, limit, used, requested, waitMs } = admission;
  const per = short === 'requests' ? 'requests per min (RPM)' : 'tokens per min (TPM)';
  const place = `for ${model} in organization org-simulator on ${per}: Limit ${limit}`;
  const more = 'Visit https://platform.openai.com/account/rate-limits to learn more.';
  if (waitMs === Infinity) {
    return refusal(429, `Request too large ${place}, Requested ${requested}. The input or output tokens must be reduced in order to run successfully. ${more}`, 'rate_limit_exceeded', null, short);
  }
  const wait = Math.ceil(waitMs);
  return {
    ...refusal(429, `Rate limit reached ${place}, Used ${used}, Requested ${requested}. Please try again in ${goDuration(wait)}. ${more}`, 'rate_limit_exceeded', null, short),
    headers: retryHeaders(wait),
  };
}

export function retryHeaders(ms: number): Record<string, string> {
  return { 'retry-after': String(Math.ceil(ms / 1000)), 'retry-after-ms': String(Math.ceil(ms)) };
}

function mask(key: string): string {
  return key.length <= 8 ? '*'.repeat(key.length) : `${key.slice(0, 3)}${'*'.repeat(key.length - 7)}${key.slice(-4)}`;
}
