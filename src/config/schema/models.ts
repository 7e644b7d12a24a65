/** `models`: one upstream model each, behind one credential and one budget. */
import * as z from 'zod/mini';
import { about, dollars, flag, name, nameKey, optional, perMillion, positive, reference, standard, text } from './fields.ts';
import { baseUrl, headers } from './http.ts';

export const provider = z.enum(['openai', 'azure', 'anthropic', 'bedrock']);

export const limits = z.strictObject({
  requestsPerMinute: optional(positive, 'Requests in any 60 seconds.'),
  tokensPerMinute: optional(positive, 'Tokens in any 60 seconds, input and output together.'),
  inputTokensPerMinute: optional(positive, 'Input tokens in any 60 seconds.'),
  outputTokensPerMinute: optional(positive, 'Output tokens in any 60 seconds.'),
  concurrency: optional(positive, 'Requests at the same time.'),
  costPerDay: optional(dollars, 'US dollars a day of UTC; needs a price. Forwarded calls (passthrough) are not counted.'),
  costPerMonth: optional(dollars, 'US dollars a month of UTC; needs a price. Forwarded calls (passthrough) are not counted.'),
});

const price = z.strictObject({
  input: about(perMillion, 'US dollars per million input tokens, cached or not.'),
  output: about(perMillion, 'US dollars per million output tokens.'),
});

const limitsOrAuto = z.union([limits, z.literal('auto')], 'expected limits such as { requestsPerMinute: 10 }, or auto');

export const model = z.strictObject({
  provider: about(provider, 'Whose API the upstream speaks; openai is anything with the same wire format.'),
  model: about(text, "The model's name at the provider."),
  apiKey: optional(reference, 'Where the key is: { env: NAME } or { file: PATH }; a literal key is refused.'),
  region: optional(text, 'The AWS region, for bedrock.'),
  baseUrl: optional(baseUrl, "As the provider's official SDK takes it: with /v1 for openai, without for anthropic and bedrock; azure needs it."),
  limits: standard(limitsOrAuto, {}, "The budget of this model, or auto for the limits of the provider's own headers."),
  price: optional(price, 'What tokens cost; needed for cost limits and cost metrics.'),
  headers: standard(headers, {}, 'Sent to this upstream with every request.'),
  includeUsage: standard(flag, true, 'false for servers that refuse stream_options.'),
  dropParams: standard(flag, false, 'true: leave out what this provider cannot take, instead of skipping it.'),
  budget: optional(name, "Models that name the same budget share one; the model's own name by default."),
  contextWindow: optional(positive, 'Tokens; a longer prompt goes to contextWindowFallback without being sent.'),
});

/** Every model names its budget once parsed: nobody else needs to know the default. */
export const models = z.pipe(
  z.record(nameKey, model),
  z.transform((written: Record<string, z.output<typeof model>>) =>
    Object.fromEntries(Object.entries(written).map(([key, one]) => [key, { ...one, budget: one.budget ?? key }])),
  ),
);
