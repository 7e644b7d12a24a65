/**
 * Error bodies of servers that speak OpenAI's format. `source` is a GitHub issue or pull request that shows the body, here
 * shortened and without names of people; else the documentation or code after which it is written (not captured).
 * Status 200: inside an answer or a stream.
 */
import type { Reason } from '../../../src/wire/reasons.ts';

export interface Row {
  readonly name: string;
  readonly source: string;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly reason: Reason | undefined;
  readonly divert: boolean;
  readonly retryAfterMs?: number;
}

const INVALID = 'invalid_request_error';
const openai = (message: string, code: string | null, type: string | null = INVALID, param: string | null = null) => ({ error: { message, type, param, code } });
const vllm = (message: string, type: string, code: number) => ({ object: 'error', message, type, param: null, code });
const gemini = (code: number, message: string, status: string, details?: unknown) => [{ error: { code, message, status, ...(details !== undefined && { details }) } }];
const groq = (message: string, type: string, code: string) => ({ error: { message, type, code } });
const litellm = (message: unknown, type: string | null, code: string) => ({ error: { message, type, param: null, code } });

const CURRENT_QUOTA = 'You exceeded your current quota, please check your plan and billing details.';
const BILLING_LINK = 'Visit https://platform.openai.com/account/rate-limits to learn more. You can increase your rate limit by adding a payment method to your account at https://platform.openai.com/account/billing.';
const FLAGGED = 'Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt: https://platform.openai.com/docs/guides/reasoning#advice-on-prompting';
const AZURE_FILTER = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry. To learn more about our content filtering policies please read our documentation: https://go.microsoft.com/fwlink/?linkid=2198766";
const SORRY = 'The server had an error processing your request. Sorry about that! You can retry your request, or contact us through our help center at help.openai.com if you keep seeing this error.';
const XAI_SPENT = 'Your team 16f2151a has either used all available credits or reached its monthly spending limit. To continue making API requests, please purchase more credits or raise your spending limit.';

const OPENAI: readonly Row[] = [
  { name: 'OpenAI: requests a minute, free tier: a throttle, though it links to billing', source: 'openai-dotnet#404', status: 429, reason: 'rate_limited', divert: true, retryAfterMs: 20_000,
    body: openai(`Rate limit reached for gpt-4o-mini in organization org-x on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s. ${BILLING_LINK}`, 'rate_limit_exceeded', 'requests') },
  { name: 'OpenAI: the same before codes were given', source: 'OpenAI community, 2023', status: 429, reason: 'rate_limited', divert: true, retryAfterMs: 820,
    body: openai(`Rate limit reached for default-gpt-3.5-turbo on tokens per min. Limit: 90000 / min. Please try again in 820ms. ${BILLING_LINK}`, null, 'tokens') },
  { name: 'OpenAI: tokens a day', source: 'openai-dotnet#404', status: 429, reason: 'rate_limited', divert: true, retryAfterMs: (114 * 60 + 18) * 60_000,
    body: openai(`Rate limit reached for gpt-4o-mini on tokens per min (TPM): Limit 100000, Used 96749, Requested 19126. Please try again in 114h18m0s. ${BILLING_LINK}`, 'rate_limit_exceeded', 'tokens') },
  { name: 'OpenAI: the header goes before the text', source: 'openai-node, retry', status: 429, headers: { 'retry-after-ms': '1234', 'retry-after': '2' }, reason: 'rate_limited', divert: true, retryAfterMs: 1234,
    body: openai('Rate limit reached for gpt-4o. Please try again in 1.2s.', 'rate_limit_exceeded', 'tokens') },
  { name: 'OpenAI: a header of 0 does not', source: 'openai-node, retry', status: 429, headers: { 'retry-after': '0' }, reason: 'rate_limited', divert: true, retryAfterMs: 1200,
    body: openai('Rate limit reached for gpt-4o. Please try again in 1.2s.', 'rate_limit_exceeded', 'tokens') },
  { name: 'OpenAI: larger than the whole minute', source: 'vanderschaarlab/climb#1', status: 429, reason: 'rate_limited', divert: true,
    body: openai('Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 30601. The input or output tokens must be reduced in order to run successfully.', 'rate_limit_exceeded', 'tokens') },
  { name: 'OpenAI: money gone', source: 'NVIDIA-NeMo/Guardrails#371', status: 429, reason: 'quota_exhausted', divert: true, body: openai(CURRENT_QUOTA, 'insufficient_quota', 'insufficient_quota') },
  { name: 'OpenAI: money gone, with the type alone', source: 'ai-ta-backend#67', status: 429, reason: 'quota_exhausted', divert: true, body: openai(CURRENT_QUOTA, null, 'insufficient_quota') },
  { name: 'OpenAI: account not active', source: 'BerriAI/litellm#2743', status: 429, reason: 'quota_exhausted', divert: true,
    body: openai('Your account is not active, please check your billing details on our website.', 'billing_not_active', 'billing_not_active') },
  { name: 'OpenAI: account not active, without a code', source: 'binary-husky/gpt_academic#681', status: 429, reason: 'quota_exhausted', divert: true,
    body: openai('Your account is not active, please check your billing details on our website.', null, 'billing_not_active') },
  { name: 'OpenAI: hard limit, as 400', source: 'OpenAI, images', status: 400, reason: 'quota_exhausted', divert: true, body: openai('Billing hard limit has been reached', 'billing_hard_limit_reached') },
  { name: 'OpenAI: context window', source: 'Nutlope/aicommits#259', status: 400, reason: 'context_window', divert: false,
    body: openai("This model's maximum context length is 4097 tokens. However, your messages resulted in 35569 tokens. Please reduce the length of the messages.", 'context_length_exceeded', INVALID, 'messages') },
  { name: 'OpenAI: context window, without a code', source: 'acheong08/ChatGPT#501', status: 400, reason: 'context_window', divert: false,
    body: openai("This model's maximum context length is 4097 tokens, however you requested 4116 tokens (1044 in your prompt; 3072 for the completion). Please reduce your prompt; or completion length.", null) },
  { name: 'OpenAI: input limit of gpt-5', source: 'cline#5474', status: 400, reason: 'context_window', divert: false,
    body: openai('Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 289650 tokens. Please reduce the length of the messages.', null) },
  { name: 'OpenAI: a message longer than any', source: 'OpenAI, string_above_max_length', status: 400, reason: 'context_window', divert: false,
    body: openai("Invalid 'messages[0].content': string too long. Expected a string with maximum length 1048576, but got a string with length 1200000 instead.", 'string_above_max_length', INVALID, 'messages[0].content') },
  { name: 'OpenAI: another member too long is the caller’s own', source: 'OpenAI, string_above_max_length', status: 400, reason: undefined, divert: false,
    body: openai("Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64.", 'string_above_max_length', INVALID, 'tools[0].function.name') },
  { name: 'OpenAI: prompt refused', source: 'pal-mcp-server#178', status: 400, reason: 'content_policy', divert: false, body: openai(FLAGGED, 'invalid_prompt') },
  { name: 'OpenAI: image refused', source: 'OpenAI, images', status: 400, reason: 'content_policy', divert: false,
    body: openai('Your request was rejected as a result of our safety system.', 'content_policy_violation') },
  { name: 'OpenAI: a parameter of the caller’s own', source: 'diffbot/code-gpt-docs#284', status: 400, reason: undefined, divert: false,
    body: openai('max_tokens is too large: 6000. This model supports at most 4096 completion tokens, whereas you provided 6000.', null, INVALID, 'max_tokens') },
  { name: 'OpenAI: an empty list', source: 'envoyproxy/ai-gateway cassettes', status: 400, reason: undefined, divert: false, body: openai("Invalid 'messages': empty array.", 'empty_array', INVALID, 'messages') },
  { name: 'OpenAI: a parameter that is called like the context window', source: 'OpenAI, unknown_parameter', status: 422, reason: undefined, divert: false, body: openai("Unknown parameter: 'context_window'.", 'unknown_parameter') },
  { name: 'OpenAI: wrong key', source: 'OpenAI, authentication', status: 401, reason: 'auth', divert: true, body: openai('Incorrect API key provided: sk-abc*******wxyz.', 'invalid_api_key') },
  { name: 'OpenAI: no organization', source: 'OpenHands#2562', status: 401, reason: 'auth', divert: true, body: openai('You must be a member of an organization to use the API.', 'no_organization') },
  { name: 'OpenAI: country', source: 'home-assistant/core#120072', status: 403, reason: 'auth', divert: true, body: openai('Country, region, or territory not supported', 'unsupported_country_region_territory', 'request_forbidden') },
  { name: 'OpenAI: country, not wrapped', source: 'continuedev/continue#11449', status: 403, reason: 'auth', divert: true,
    body: { code: 'unsupported_country_region_territory', message: 'Country, region, or territory not supported', param: null, type: 'request_forbidden' } },
  { name: 'OpenAI: no such model', source: 'envoyproxy/ai-gateway cassettes', status: 404, reason: 'not_found', divert: true, body: openai('The model `gpt-9` does not exist or you do not have access to it.', 'model_not_found') },
  { name: 'OpenAI: a model that the project may not use', source: 'OpenAI, 403', status: 403, reason: 'not_found', divert: true, body: openai('Project `proj_x` does not have access to model `o3`', 'model_not_found') },
  { name: 'OpenAI: wrong path', source: 'OpenAI, 404', status: 404, reason: 'not_found', divert: true, body: openai('Invalid URL (POST /v1/v1/chat/completions)', null) },
  { name: 'OpenAI: wrong method', source: 'OpenAI, 405', status: 405, reason: 'not_found', divert: true, body: openai('Not allowed to POST on /v1/models.', 'method_not_supported') },
  { name: 'OpenAI: server error', source: 'acheong08/ChatGPT#607', status: 500, reason: 'server_error', divert: true, body: openai('The server experienced an error while processing your request. Sorry about that!', null, 'server_error') },
  { name: 'OpenAI: overloaded, as 500', source: 'agi-merge/waggle-dance#53', status: 500, reason: 'overloaded', divert: true, body: openai('That model is currently overloaded with other requests. You can retry your request.', null, 'server_error') },
  { name: 'OpenAI: overloaded, as 429', source: 'openai-python#414', status: 429, reason: 'rate_limited', divert: true, body: openai('That model is currently overloaded with other requests. You can retry your request.', null, 'server_error') },
  { name: 'OpenAI: overloaded, as 400', source: 'tontinton/maki#777, sub2api#5909', status: 400, reason: 'overloaded', divert: true, body: openai('Our servers are currently overloaded. Please try again later.', 'server_is_overloaded') },
  { name: 'OpenAI: slow down', source: 'OpenAI, error codes', status: 503, headers: { 'retry-after': '5' }, reason: 'overloaded', divert: true, retryAfterMs: 5000, body: openai('Slow down', 'slow_down', 'server_error') },
  { name: 'OpenAI: in a stream: server error', source: 'sashabaranov/go-openai#69', status: 200, reason: 'server_error', divert: true, body: openai(SORRY, null, 'server_error') },
  { name: 'OpenAI: in a stream: throttled', source: 'the same body, as an event', status: 200, reason: 'rate_limited', divert: true, retryAfterMs: 1200, body: openai('Rate limit reached for gpt-4o. Please try again in 1.2s.', 'rate_limit_exceeded', 'tokens') },
  { name: 'OpenAI: in a stream: throttled, text alone', source: 'the same body, as an event', status: 200, reason: 'rate_limited', divert: true, body: openai('Rate limit reached for gpt-4o in organization org-x', null, null) },
];

const AZURE: readonly Row[] = [
  { name: 'Azure: tokens a minute', source: 'sample-app-aoai-chatGPT#131', status: 429, headers: { 'retry-after': '7' }, reason: 'rate_limited', divert: true, retryAfterMs: 7000,
    body: { error: { code: '429', message: 'Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2023-05-15 have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 7 seconds.' } } },
  { name: 'Azure: a day, said in the text', source: 'alex-wolf-ps/dbchatprov2#2', status: 429, reason: 'rate_limited', divert: true, retryAfterMs: 86_400_000,
    body: { error: { code: '429', message: 'Requests to the ChatCompletions_Create Operation have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 86400 seconds. Please go here: https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit.' } } },
  { name: 'Azure: short', source: 'microsoft/copilot-camp#551', status: 429, reason: 'rate_limited', divert: true, retryAfterMs: 2000, body: { error: { code: '429', message: 'Rate limit is exceeded. Try again in 2 seconds.' } } },
  { name: 'Azure: peak load', source: 'pollinations#6260', status: 429, reason: 'rate_limited', divert: true, retryAfterMs: 20_000,
    body: { error: { code: '429', message: 'The system is currently experiencing high demand and cannot process your request. Your request exceeds the maximum usage size allowed during peak load. Please retry after 20 seconds.' } } },
  { name: 'Azure: API Management, call quota', source: 'goferito/node-bing-api#34', status: 403, reason: 'quota_exhausted', divert: true, body: { statusCode: 403, message: 'Out of call volume quota. Quota will be replenished in 22.14:18:12.' } },
  { name: 'Azure: API Management, rate', source: 'azure-search-openai-demo#177', status: 429, reason: 'rate_limited', divert: true, retryAfterMs: 30_000, body: { statusCode: 429, message: 'Rate limit is exceeded. Try again in 30 seconds.' } },
  { name: 'Azure: content filter', source: 'Gitlawb/openclaude#273', status: 400, reason: 'content_policy', divert: false,
    body: { error: { message: AZURE_FILTER, type: null, param: 'prompt', code: 'content_filter', status: 400, innererror: { code: 'ResponsibleAIPolicyViolation', content_filter_result: { jailbreak: { filtered: true, detected: true } } } } } },
  { name: 'Azure: content filter, by the inner code', source: 'alpaca_eval#227', status: 400, reason: 'content_policy', divert: false, body: { error: { message: 'The request was refused.', code: null, innererror: { code: 'ResponsibleAIPolicyViolation' } } } },
  { name: 'Azure: content filter, by the text', source: 'vibrantlabsai/ragas#649', status: 400, reason: 'content_policy', divert: false, body: { error: { message: AZURE_FILTER } } },
  { name: 'Azure: wrong key', source: 'SciSharp/BotSharp#386', status: 401, reason: 'auth', divert: true, body: { error: { code: '401', message: 'Access denied due to invalid subscription key or wrong API endpoint.' } } },
  { name: 'Azure: network rules', source: 'azure-sql-db-chatbot#3', status: 403, reason: 'auth', divert: true, body: { error: { code: '403', message: 'Access denied due to Virtual Network/Firewall rules.' } } },
  { name: 'Azure: no such deployment', source: 'chatboxai/chatbox#646', status: 404, reason: 'not_found', divert: true, body: { error: { code: 'DeploymentNotFound', message: 'The API deployment for this resource does not exist.' } } },
  { name: 'Azure: no such resource', source: 'rusiaaman/chat.md#2', status: 404, reason: 'not_found', divert: true, body: { error: { code: '404', message: 'Resource not found' } } },
  { name: 'Azure: took too long', source: 'Azure OpenAI, 408', status: 408, reason: 'timeout', divert: true, body: { error: { code: 'Timeout', message: 'The operation was timeout.' } } },
];

const GOOGLE: readonly Row[] = [
  { name: 'Gemini: throttled, in an array', source: 'page-assist#406', status: 429, reason: 'rate_limited', divert: true, body: gemini(429, 'Resource has been exhausted (e.g. check quota).', 'RESOURCE_EXHAUSTED') },
  { name: 'Gemini: throttled in the words of OpenAI’s spent quota', source: 'browserbase/mcp-server-browserbase#129', status: 429, reason: 'rate_limited', divert: true, retryAfterMs: 47_435,
    body: gemini(429, `${CURRENT_QUOTA} * Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_paid_tier_input_token_count, limit: 4000000\nPlease retry in 47.434392449s.`, 'RESOURCE_EXHAUSTED') },
  { name: 'Gemini: throttled, the wait in the details alone', source: 'letterstory/lettertrace#34', status: 429, reason: 'rate_limited', divert: true, retryAfterMs: 38_000,
    body: gemini(429, CURRENT_QUOTA, 'RESOURCE_EXHAUSTED', [{ '@type': 'type.googleapis.com/google.rpc.Help' }, { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '38s' }]) },
  { name: 'Gemini: overloaded', source: 'gemini-cli#4360', status: 503, reason: 'overloaded', divert: true, body: gemini(503, 'The model is overloaded. Please try again later.', 'UNAVAILABLE') },
  { name: 'Gemini: internal', source: 'Gemini, troubleshooting', status: 500, reason: 'server_error', divert: true, body: gemini(500, 'An internal error has occurred.', 'INTERNAL') },
  { name: 'Gemini: wrong key, as 400', source: 'continuedev/continue#10585', status: 400, reason: 'auth', divert: true,
    body: gemini(400, 'API key not valid. Please pass a valid API key.', 'INVALID_ARGUMENT', [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID', domain: 'googleapis.com' }]) },
  { name: 'Gemini: wrong key, text alone', source: 'continuedev/continue#10748', status: 400, reason: 'auth', divert: true, body: gemini(400, 'API key not valid. Please pass a valid API key.', 'INVALID_ARGUMENT') },
  { name: 'Gemini: country, as 400', source: 'poenl/gemini-api#4', status: 400, reason: 'auth', divert: true, body: gemini(400, 'User location is not supported for the API use.', 'FAILED_PRECONDITION') },
  { name: 'Gemini: context window', source: 'gemini-cli#12098', status: 400, reason: 'context_window', divert: false, body: gemini(400, 'The input token count (314175) exceeds the maximum number of tokens allowed (131072).', 'INVALID_ARGUMENT') },
  { name: 'Gemini: context window, 2.5-flash', source: 'BerriAI/litellm#18282', status: 400, reason: 'context_window', divert: false, body: gemini(400, 'The input token count exceeds the maximum number of tokens allowed (1048576).', 'INVALID_ARGUMENT') },
  { name: 'Gemini: an argument of the caller’s own', source: 'AlexSideBar-Public#104', status: 400, reason: undefined, divert: false, body: gemini(400, 'Invalid JSON payload received. Unknown name "text" at \'contents[1].parts[0]\'', 'INVALID_ARGUMENT') },
];

const GATEWAYS: readonly Row[] = [
  { name: 'OpenRouter: no credits', source: 'free-claude-code#772', status: 402, reason: 'quota_exhausted', divert: true, body: { error: { message: 'Insufficient credits. This account never purchased credits.', code: 402 } } },
  { name: 'OpenRouter: fewer tokens', source: 'astrio-labs/forall#76', status: 402, reason: 'quota_exhausted', divert: true, body: { error: { message: 'This request requires more credits, or fewer max_tokens. You requested up to 64000 tokens, but can only afford 2666.', code: 402, metadata: { provider_name: null } } } },
  { name: 'OpenRouter: no credits, inside an answer', source: 'tailcallhq/forgecode#571', status: 200, reason: 'quota_exhausted', divert: true, body: { error: { error: { message: 'More credits are required to run this request.', code: 402 }, code: 402 } } },
  { name: 'OpenRouter: free models a day', source: 'Gitlawb/openclaude#936', status: 429, reason: 'rate_limited', divert: true, body: { error: { message: 'Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day', code: 429, metadata: { headers: { 'X-RateLimit-Remaining': '0' } } } } },
  { name: 'OpenRouter: its provider is throttled', source: 'open-webui/computer#293', status: 429, reason: 'rate_limited', divert: true, body: { error: { message: 'Provider returned error', code: 429, metadata: { raw: 'z-ai/glm-5.3-flash is temporarily rate-limited upstream. Please retry shortly', provider_name: 'BaseTen' } } } },
  { name: 'OpenRouter: throttled, inside a stream', source: 'digiogithub/pando#8', status: 200, reason: 'rate_limited', divert: true, body: { error: { message: 'Provider returned error', code: 429, metadata: { error_type: 'rate_limit_exceeded' } }, choices: [] } },
  { name: 'OpenRouter: provider gone, inside a stream', source: 'diegosouzapw/OmniRoute#8210', status: 200, reason: 'server_error', divert: true, body: { error: { message: 'Worker local total request limit reached (33/32)', code: 502, metadata: { error_type: 'provider_unavailable' } }, choices: [] } },
  { name: 'OpenRouter: context window, inside a stream', source: 'dcdpr/jp#978', status: 200, reason: 'context_window', divert: false, body: { error: { message: 'prompt is too long: 1284668 tokens > 1000000 maximum', code: 400 }, choices: [] } },
  { name: 'OpenRouter: context window', source: 'refly-ai/refly#1177', status: 400, reason: 'context_window', divert: false, body: { error: { message: "This endpoint's maximum context length is 32768 tokens. However, you requested about 42832 tokens (42832 of text input).", code: 400 } } },
  { name: 'OpenRouter: what its provider says decides', source: 'langgenius/dify#26185', status: 400, reason: 'auth', divert: true, body: { error: { message: 'Provider returned error', code: 400, metadata: { raw: '{\n "error": {\n "code": 400,\n "message": "User location is not supported for the API use.",\n "status": "FAILED_PRECONDITION"\n }\n}\n', provider_name: 'Google AI Studio' } } } },
  { name: 'OpenRouter: the caller’s own, inside an answer', source: 'AlexSideBar-Public#104', status: 200, reason: undefined, divert: false, body: { error: { message: 'Provider returned error', code: 400, metadata: { raw: '{"error":{"message":"Invalid JSON payload received."}}' } } } },
  { name: 'OpenRouter: no such model, as 400', source: 'openfang#697', status: 400, reason: 'not_found', divert: true, body: { error: { message: 'healer-alpha is not a valid model ID', code: 400 } } },
  { name: 'OpenRouter: no endpoint can do that', source: 'OpenRouter, routing', status: 404, reason: 'untranslatable', divert: true, body: { error: { message: 'No endpoints found that support tool use.', code: 404 } } },
  { name: 'OpenRouter: moderation', source: 'openrouter.ai/docs/errors', status: 403, reason: 'content_policy', divert: false, body: { error: { code: 403, message: 'openai/gpt-4o requires moderation on OpenAI. Your input was flagged for "violence".', metadata: { reasons: ['violence'], flagged_input: 'x' } } } },
  { name: 'OpenRouter: no key', source: 'openrouter.ai/docs/errors', status: 401, reason: 'auth', divert: true, body: { error: { message: 'Missing Authentication header', code: 401 } } },
  { name: 'LiteLLM: throttled by Azure', source: 'jasonacox/TinyLLM#17', status: 429, reason: 'rate_limited', divert: true, retryAfterMs: 86_400_000,
    body: litellm("litellm.RateLimitError: AzureException RateLimitError - Error code: 429 - {'error': {'code': '429', 'message': 'Requests have exceeded token rate limit. Please retry after 86400 seconds.'}}", 'throttling_error', '429') },
  { name: 'LiteLLM: OpenAI’s quota is spent', source: 'LiteLLM, exception mapping', status: 429, reason: 'quota_exhausted', divert: true, body: litellm(`litellm.RateLimitError: RateLimitError: OpenAIException - ${CURRENT_QUOTA}`, 'throttling_error', '429') },
  { name: 'LiteLLM: all in cooldown', source: 'LiteLLM docs, debugging', status: 429, reason: 'rate_limited', divert: true, retryAfterMs: 60_000, body: litellm('No deployments available for selected model, Try again in 60 seconds. Passed model=claude. pre-call-checks=False', 'None', '429') },
  { name: 'LiteLLM: budget, as 400', source: 'open-webui#5469', status: 400, reason: 'quota_exhausted', divert: true, body: litellm('Budget has been exceeded! Current cost: 0.3759, Max budget: 0.35', 'budget_exceeded', '400') },
  { name: 'LiteLLM: budget of the one behind it', source: 'BerriAI/litellm#14144', status: 400, reason: 'quota_exhausted', divert: true, body: litellm('litellm.BadRequestError: OpenAIException - Budget has been exceeded! Current cost: 14.1, Max budget: 100.', null, '400') },
  { name: 'LiteLLM: context window', source: 'OpenHands#5350', status: 400, reason: 'context_window', divert: false, body: litellm('litellm.BadRequestError: litellm.ContextWindowExceededError: AnthropicError - {"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 209303 tokens > 200000 maximum"}}', null, '400') },
  { name: 'LiteLLM: context limit', source: 'BrokkAi/brokk-app#540', status: 400, reason: 'context_window', divert: false, body: litellm('litellm.BadRequestError: AnthropicException - input length and `max_tokens` exceed context limit: 179413 + 32768 > 200000, decrease input length or `max_tokens` and try again', null, '400') },
  { name: 'LiteLLM: content policy', source: 'BerriAI/litellm#16231', status: 400, reason: 'content_policy', divert: false,
    body: { error: { message: 'litellm.BadRequestError: the request was refused', type: null, param: null, code: '400', provider_specific_fields: { innererror: { code: 'ResponsibleAIPolicyViolation' } } } } },
  { name: 'LiteLLM: no such model, as 400', source: 'BerriAI/litellm#8821', status: 400, reason: 'not_found', divert: true, body: litellm({ error: '/chat/completions: Invalid model name passed in model=DeepSeek-R1x. Call `/v1/models` to view available models for your key.' }, 'None', '400') },
  { name: 'LiteLLM: key expired, as 400', source: 'LiteLLM, ProxyErrorTypes', status: 400, reason: 'auth', divert: true, body: litellm('Authentication Error - Expired Key.', 'expired_key', '400') },
  { name: 'LiteLLM: Anthropic without credit', source: 'claude-code#66314', status: 400, reason: 'quota_exhausted', divert: true, body: litellm('litellm.BadRequestError: AnthropicException - Your credit balance is too low to access the Anthropic API.', null, '400') },
  { name: 'LiteLLM: Anthropic, customer’s own limit', source: 'Anthropic, spend limits', status: 400, reason: 'quota_exhausted', divert: true, body: litellm('AnthropicException - You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.', null, '400') },
  { name: 'opengateway: credits', source: 'Gitlawb/openclaude#1528', status: 402, reason: 'quota_exhausted', divert: true, body: groq('Insufficient credits — top up your balance', 'insufficient_quota', 'insufficient_credits') },
  { name: 'nginx in front', source: 'nginx', status: 502, reason: 'server_error', divert: true, body: '<html><head><title>502 Bad Gateway</title></head></html>' },
  { name: 'Cloudflare, no answer behind it', source: 'Cloudflare, 524', status: 524, reason: 'timeout', divert: true, body: 'error code: 524' },
];

const HOSTS: readonly Row[] = [
  { name: 'Groq: tokens a minute', source: 'elizaOS/eliza#4040', status: 429, reason: 'rate_limited', divert: true, retryAfterMs: 4770,
    body: groq('Rate limit reached for model `llama-3.1-8b-instant` in organization `org_x` service tier `on_demand` on tokens per minute (TPM): Limit 6000, Used 5034, Requested 1443. Please try again in 4.77s. Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing', 'tokens', 'rate_limit_exceeded') },
  { name: 'Groq: tokens a day', source: 'continuedev/continue#10920', status: 429, reason: 'rate_limited', divert: true, retryAfterMs: 578_016,
    body: groq('Rate limit reached for model `llama-3.3-70b-versatile` on tokens per day (TPD): Limit 100000, Used 97050, Requested 3619. Please try again in 9m38.016s.', 'tokens', 'rate_limit_exceeded') },
  { name: 'Groq: too large for the minute, as 413', source: 'ha-groq-cloud-api#27', status: 413, reason: 'rate_limited', divert: true, body: groq('Request too large for model llama-3.1-8b-instant on tokens per minute (TPM): Limit 6000, Requested 12328, please reduce your message size and try again.', 'tokens', 'rate_limit_exceeded') },
  { name: 'Groq: the model made no good call', source: 'groq-typescript#28', status: 400, reason: undefined, divert: false, body: groq("Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.", INVALID, 'tool_use_failed') },
  { name: 'Groq: flex capacity', source: 'Groq docs, 498', status: 498, reason: 'overloaded', divert: true, body: groq('Flex tier capacity exceeded', 'internal_server_error', 'capacity_exceeded') },
  { name: 'DeepSeek: balance', source: 'Aider-AI/aider#4851', status: 402, reason: 'quota_exhausted', divert: true, body: openai('Insufficient Balance', INVALID, 'unknown_error') },
  { name: 'DeepSeek: balance, as 400', source: 'Aider-AI/aider#4851', status: 400, reason: 'quota_exhausted', divert: true, body: openai('Insufficient Balance', INVALID, 'unknown_error') },
  { name: 'DeepSeek: content', source: 'BettaFish#108', status: 400, reason: 'content_policy', divert: false, body: openai('Content Exists Risk', INVALID) },
  { name: 'DeepSeek: content, older', source: 'deepseek-ai/DeepSeek-V2#30', status: 400, reason: 'content_policy', divert: false, body: { detail: 'Content Exists Risk' } },
  { name: 'DeepSeek: no such model, as 400', source: 'deepwn/addi#13', status: 400, reason: 'not_found', divert: true, body: openai('Model Not Exist', INVALID) },
  { name: 'xAI: spent, as 429', source: 'continuedev/continue#10373', status: 429, reason: 'quota_exhausted', divert: true, body: { code: 'Some resource has been exhausted', error: XAI_SPENT } },
  { name: 'xAI: spent, as 403', source: 'Anantys-oss/koan#2412', status: 403, reason: 'quota_exhausted', divert: true, body: { code: 'permission-denied', error: XAI_SPENT } },
  { name: 'xAI: no credits', source: 'griptape-nodes-engine#1079', status: 403, reason: 'quota_exhausted', divert: true, body: { code: 'The caller does not have permission to execute the specified operation', error: "Your newly created teams doesn't have any credits yet." } },
  { name: 'xAI: usage guidelines', source: 'theopenco/llmgateway#1785', status: 403, reason: 'content_policy', divert: false, body: { code: 'The caller does not have permission', error: 'Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO' } },
  { name: 'xAI: context window', source: 'cline#3120', status: 400, reason: 'context_window', divert: false, body: { code: 'Client specified an invalid argument', error: "This model's maximum prompt length is 131072 but the request contains 136973 tokens." } },
  { name: 'Mistral: throttled', source: 'cline#9085', status: 429, reason: 'rate_limited', divert: true, body: { object: 'error', message: 'Rate limit exceeded', type: 'rate_limited', param: null, code: '1300', raw_status_code: 429 } },
  { name: 'Mistral: throttled, older', source: 'pydantic-ai#1885', status: 429, reason: 'rate_limited', divert: true, body: { message: 'Requests rate limit exceeded' } },
  { name: 'Mistral: capacity', source: 'continuedev/continue#6185, litellm#25078', status: 503, reason: 'overloaded', divert: true, body: { object: 'error', message: 'Service tier capacity exceeded for this model.', type: INVALID, param: null, code: null } },
  { name: 'Mistral: no such model, as 400', source: 'tmc/langchaingo#1233', status: 400, reason: 'not_found', divert: true, body: { object: 'error', message: 'Invalid model: mistral-huge', type: 'invalid_model', param: null, code: '1500' } },
  { name: 'Mistral: context window', source: 'BerriAI/litellm#21647', status: 400, reason: 'context_window', divert: false, body: { object: 'error', message: 'Prompt contains 65673 tokens and 0 draft tokens, too large for model with 32768 maximum context length', type: INVALID, param: null, code: '3051' } },
  { name: 'Together: throttled in the type of a spent quota', source: 'togethercomputer/MoA#27', status: 429, reason: 'rate_limited', divert: true, body: openai('You have been rate limited. Your rate limit is 60 queries per minute. Please navigate to https://api.together.xyz/settings/billing to upgrade to a paid plan.', null, 'credit_limit') },
  { name: 'Fireworks: throttled', source: 'GordeyZuev/LEAP#6', status: 429, reason: 'rate_limited', divert: true, body: { error: 'Too Many Requests', message: 'You have exceeded your usage limits. Please try again later or contact Fireworks.' } },
  { name: 'Fireworks: suspended', source: 'pollinations#12136', status: 412, reason: 'quota_exhausted', divert: true, body: openai('Account x is suspended, possibly due to reaching the monthly spending limit or failure to pay past invoices.', 'PRECONDITION_FAILED', 'error') },
  { name: 'Kimi: suspended', source: 'free-claude-code#1223', status: 429, reason: 'quota_exhausted', divert: true, body: { error: { message: 'Your account org-x is suspended due to insufficient balance, please recharge your account', type: 'exceeded_current_quota_error' } } },
  { name: 'DashScope: in arrears', source: 'tencentmusic/supersonic#1572', status: 400, reason: 'quota_exhausted', divert: true, body: openai('Access denied, please make sure your account is in good standing.', 'Arrearage', 'Arrearage') },
  { name: 'DashScope: content', source: 'QwenLM/Qwen#938', status: 400, reason: 'content_policy', divert: false, body: openai('Input data may contain inappropriate content.', 'data_inspection_failed', 'data_inspection_failed') },
  { name: 'DashScope: content, by the text', source: 'QwenLM/qwen-code#3145', status: 400, reason: 'content_policy', divert: false, body: openai('<400> InternalError.Algo.DataInspectionFailed: Input text data may contain inappropriate content.', null) },
  { name: 'DashScope: context window', source: 'agentscope-ai/QwenPaw#6255', status: 400, reason: 'context_window', divert: false, body: openai('<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 983616]', 'invalid_parameter_error') },
  { name: 'GitHub Models: tokens', source: 'eslint/tsc-meetings#593', status: 413, reason: 'context_window', divert: false, body: { error: { code: 'tokens_limit_reached', message: 'Request body too large for gpt-4o model. Max size: 8000 tokens.', details: 'Request body too large for gpt-4o model. Max size: 8000 tokens.' } } },
  { name: 'Bedrock’s OpenAI path: tokens', source: 'amazon-bedrock-client-for-mac#99', status: 429, reason: 'rate_limited', divert: true, body: { message: 'Too many tokens, please wait before trying again.' } },
  { name: 'Bedrock’s OpenAI path: context window', source: 'bedrock-chat#95', status: 400, reason: 'context_window', divert: false, body: { message: 'Input is too long for requested model.' } },
];

const OWN_SERVERS: readonly Row[] = [
  { name: 'vLLM: context window', source: 'llm-d-inference-sim#596', status: 400, reason: 'context_window', divert: false, body: { error: { message: "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.", type: 'BadRequestError', param: null, code: 400 } } },
  { name: 'vLLM: context window, flat', source: 'llama-verifications#58', status: 400, reason: 'context_window', divert: false, body: vllm("This model's maximum context length is 131072 tokens. However, you requested 156632 tokens (152536 in the messages, 4096 in the completion).", 'BadRequestError', 400) },
  { name: 'vLLM 0.16: context window', source: 'harbor-framework/harbor#996', status: 400, reason: 'context_window', divert: false,
    body: { error: { message: "You passed 1015 input tokens and requested 10 output tokens. However, the model's context length is only 1024 tokens, resulting in a maximum input length of 1014 tokens.", type: 'BadRequestError', param: 'input_tokens', code: 400 } } },
  { name: 'vLLM: nothing left for the answer', source: 'vllm#4667', status: 400, reason: 'context_window', divert: false, body: vllm('max_tokens must be at least 1, got -186.', 'BadRequestError', 400) },
  { name: 'vLLM: the caller’s own', source: 'vllm#4667', status: 400, reason: undefined, divert: false, body: vllm('max_tokens must be at least 1, got 0.', 'BadRequestError', 400) },
  { name: 'vLLM: no such model', source: 'vllm#3485', status: 404, reason: 'not_found', divert: true, body: vllm('The model `Qwen1.5-14B-Chat-GPTQ-Int8` does not exist.', 'NotFoundError', 404) },
  { name: 'vLLM: no key', source: 'vllm#22407', status: 401, reason: 'auth', divert: true, body: { error: 'Unauthorized' } },
  { name: 'llama.cpp: context window', source: 'oobabooga/textgen#7257', status: 400, reason: 'context_window', divert: false, body: { error: { code: 400, message: 'the request exceeds the available context size. try increasing the context size or enable context shift', type: 'exceed_context_size_error', n_prompt_tokens: 14_429, n_ctx: 8192 } } },
  { name: 'llama.cpp: context window, inside a stream', source: 'oobabooga/textgen#7257', status: 200, reason: 'context_window', divert: false, body: { error: { code: 400, message: 'the request exceeds the available context size', type: 'exceed_context_size_error' } } },
  { name: 'ik_llama.cpp: context window, as 500', source: 'ik_llama.cpp#2420', status: 500, reason: 'context_window', divert: false, body: { error: { code: 500, message: 'the request exceeds the available context size. try increasing the context size or enable context shift', type: 'server_error' } } },
  { name: 'llama.cpp: still loading', source: 'llama-swap#146', status: 503, reason: 'overloaded', divert: true, body: { error: { code: 503, message: 'Loading model', type: 'unavailable_error' } } },
  { name: 'LM Studio: context window', source: 'Gitlawb/openclaude#353', status: 400, reason: 'context_window', divert: false, body: { error: 'The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 13055>= n_ctx: 4096).' } },
  { name: 'LM Studio: inside a stream', source: 'zendev-sh/goai#110', status: 200, reason: 'server_error', divert: true, body: { error: { message: 'Compute error.' }, message: 'Compute error.' } },
  { name: 'Ollama: no such model', source: 'netease-youdao/QAnything#555', status: 404, reason: 'not_found', divert: true, body: openai('model "llama9" not found, try pulling it first', null, 'api_error') },
  { name: 'Ollama: no such model, own format', source: 'bolt.diy#434', status: 404, reason: 'not_found', divert: true, body: { error: 'model "llama9" not found, try pulling it first' } },
  { name: 'Ollama: queue full', source: 'Ollama, ErrMaxQueue', status: 503, reason: 'overloaded', divert: true, body: openai('server busy, please try again.  maximum pending requests exceeded', null, 'api_error') },
  { name: 'TGI: context window', source: 'huggingface/chat-ui#340', status: 422, reason: 'context_window', divert: false, body: { error: 'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 1512. Given: 1000 `inputs` tokens and 1024 `max_new_tokens`', error_type: 'validation' } },
  { name: 'TGI: overloaded', source: 'text-generation-inference, router', status: 429, reason: 'rate_limited', divert: true, body: { error: 'Model is overloaded', error_type: 'overloaded' } },
  { name: 'FastAPI: the caller’s own', source: 'FastAPI, validation', status: 422, reason: undefined, divert: false, body: { detail: [{ loc: ['body', 'messages'], msg: 'field required', type: 'value_error.missing' }] } },
];

export const ROWS: readonly Row[] = [
  ...OPENAI,
  ...AZURE,
  ...GOOGLE,
  ...GATEWAYS,
  ...HOSTS,
  ...OWN_SERVERS,
];
