/** Today's parameters of chat completions (openai 7.57.0, ChatCompletionCreateParamsBase) and what each must be. */
import { array, flag, inRange, isObject, object, one, text, tooLong, wrongType, type Check, type Json } from './check.ts';
import { refusal, type Refusal } from './errors.ts';

const anything: Check = () => undefined;

export const stop: Check = (name, value) => {
  if (typeof value === 'string') return undefined;
  if (!Array.isArray(value)) return wrongType(name, 'a string or an array of strings', value);
  return value.length > 4 ? tooLong(name, 4, value.length) : undefined;
};

export const streamOptions: Check = (name, value) => {
  if (!isObject(value)) return wrongType(name, 'an object', value);
  for (const [key, given] of Object.entries(value)) {
    if (key !== 'include_usage' && key !== 'include_obfuscation') return unknownNested(`${name}.${key}`);
    const wrong = flag(`${name}.${key}`, given);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
};

const responseFormat: Check = (name, value) =>
  isObject(value) ? one(['json_object', 'json_schema', 'text'])(`${name}.type`, value['type']) : wrongType(name, 'an object', value);

const FIELDS: Record<string, Check> = {
  audio: object,
  frequency_penalty: inRange('decimal', -2, 2),
  function_call: anything,
  functions: array,
  logit_bias: object,
  logprobs: flag,
  max_completion_tokens: inRange('integer', 1),
  max_tokens: inRange('integer', 1),
  messages: anything,
  metadata: object,
  modalities: array,
  model: anything,
  moderation: object,
  n: inRange('integer', 1, 128),
  parallel_tool_calls: flag,
  prediction: object,
  presence_penalty: inRange('decimal', -2, 2),
  prompt_cache_key: text,
  prompt_cache_options: object,
  prompt_cache_retention: text,
  reasoning_effort: one(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']),
  response_format: responseFormat,
  safety_identifier: text,
  seed: inRange('integer', -Infinity),
  service_tier: one(['auto', 'default', 'flex', 'scale', 'priority', 'fast']),
  stop,
  store: flag,
  stream: flag,
  stream_options: streamOptions,
  temperature: inRange('decimal', 0, 2),
  tool_choice: anything,
  tools: anything,
  top_logprobs: inRange('integer', 0, 20),
  top_p: inRange('decimal', 0, 1),
  user: text,
  verbosity: one(['low', 'medium', 'high']),
  web_search_options: object,
};

export const KNOWN_FIELDS: readonly string[] = Object.keys(FIELDS);

export function checkFields(body: Json): Refusal | undefined {
  return checkWith(FIELDS, body) ?? together(body);
}

export function checkUnknown(body: Json): Refusal | undefined {
  return checkKnown(FIELDS, body);
}

/** null is as good as absent for all of them. */
export function checkWith(fields: Readonly<Record<string, Check>>, body: Json): Refusal | undefined {
  for (const name in body) {
    const value = body[name];
    if (value === null || value === undefined || !Object.hasOwn(fields, name)) continue;
    const wrong = fields[name]!(name, value);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** Completions and embeddings answer so, without param and code (coroot#698, llm_wiki#336); Responses has `unknown_parameter`. */
export function checkKnown(fields: Readonly<Record<string, Check>>, body: Json): Refusal | undefined {
  const unknown = Object.keys(body).filter((name) => !Object.hasOwn(fields, name)).sort();
  if (unknown.length === 0) return undefined;
  return refusal(400, `Unrecognized request argument${unknown.length > 1 ? 's' : ''} supplied: ${unknown.join(', ')}`);
}

export function checkStreamOptions(body: Json): Refusal | undefined {
  const { stream_options: options } = body;
  if (options === undefined || options === null || body['stream'] === true) return undefined;
  return refusal(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", null, 'stream_options');
}

function together(body: Json): Refusal | undefined {
  const given = (name: string): boolean => body[name] !== undefined && body[name] !== null;
  const wrongOptions = checkStreamOptions(body);
  if (wrongOptions !== undefined) return wrongOptions;
  if (given('max_tokens') && given('max_completion_tokens')) {
    return refusal(400, "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", 'invalid_parameter_combination', 'max_tokens');
  }
  if (given('top_logprobs') && body['logprobs'] !== true) {
    return refusal(400, "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", null, 'top_logprobs');
  }
  for (const name of ['tool_choice', 'parallel_tool_calls']) {
    if (given(name) && !given('tools')) {
      return refusal(400, `Invalid value for '${name}': '${name}' is only allowed when 'tools' are specified.`, null, name);
    }
  }
  return undefined;
}

function unknownNested(name: string): Refusal {
  return refusal(400, `Unknown parameter: '${name}'.`, 'unknown_parameter', name);
}
