/** The answer that a `status`, `contextLength` or `contentFilter` fault asks for. */
import type { Fault } from '../faults.ts';
import { contextExceeded, rateLimited, refusal, retryHeaders, unknownModel, wrongKey, type Refusal } from './errors.ts';

export function faultRefusal(fault: Fault, model: string, promptTokens: number, window: number): Refusal | undefined {
  if (fault.status !== undefined) return forStatus(fault, fault.status, model);
  if (fault.contextLength === true) {
    const limit = Number.isFinite(window) ? window : 8192;
    return contextExceeded(limit, Math.max(promptTokens, limit + 1), 0);
  }
  return fault.contentFilter === 'error' ? contentPolicy(fault.code) : undefined;
}

function forStatus(fault: Fault, status: number, model: string): Refusal {
  const found = bodyOf(status, fault, model);
  const own = fault.body === undefined ? {} : { body: fault.body, contentType: bodyType(fault.body) };
  const retry = fault.retryAfter === undefined ? {} : retryHeaders(fault.retryAfter * 1000);
  return { ...found, ...own, status, headers: { ...found.headers, ...retry } };
}

const bodyType = (body: string): string => (/^\s*[[{]/.test(body) ? 'application/json' : 'text/html');

function bodyOf(status: number, { code, retryAfter }: Fault, model: string): Refusal {
  const server = (message: string): Refusal => refusal(status, message, code ?? null, null, 'server_error');
  switch (status) {
    case 400: return byCode(code);
    case 401: return code === undefined ? wrongKey('sk-simulated-0000') : refusal(401, 'Invalid authorization.', code);
    case 403: return refusal(403, 'Country, region, or territory not supported', code ?? 'unsupported_country_region_territory', null, 'request_forbidden');
    case 404: return code === undefined ? unknownModel(model) : refusal(404, 'Not found.', code);
    case 408: return refusal(408, 'Request timed out.', code ?? null, null, 'timeout');
    case 409: return refusal(409, 'The resource was updated by another request. Please try again.', code ?? null, null, 'conflict_error');
    case 422: return refusal(422, 'Unable to process the request despite the format being correct.', code ?? null);
    case 429: return tooMany(code, model, retryAfter);
    case 500: return server('The server had an error while processing your request. Sorry about that! You can retry your request, or contact us through our help center at help.openai.com if the error persists.');
    // The last two of these come from what stands in front of the API, and so are no JSON.
    case 502: return html(502, 'Bad Gateway');
    case 503: return server('The server is currently overloaded with other requests. Sorry about that! You can retry your request, or contact us through our help center at help.openai.com if the error persists.');
    case 504: return { status, contentType: 'text/plain', body: 'upstream request timeout' };
    case 529: return refusal(529, 'Overloaded', code ?? null, null, 'overloaded_error');
    default: return status >= 500 ? server(`Simulated error ${status}.`) : refusal(status, `Simulated error ${status}.`, code ?? null);
  }
}

function byCode(code: string | undefined): Refusal {
  if (code === 'context_length_exceeded') return contextExceeded(8192, 8193, 0);
  if (code === 'content_policy_violation' || code === 'content_filter' || code === 'invalid_prompt') return contentPolicy(code);
  return refusal(400, 'Invalid request.', code ?? null);
}

/** Of a 429 only insufficient_quota means that waiting does not help (shell_gpt#23). */
function tooMany(code: string | undefined, model: string, retryAfter: number | undefined): Refusal {
  if (code === 'insufficient_quota') {
    return refusal(429, 'You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.', code, null, code);
  }
  const waitMs = (retryAfter ?? 1) * 1000;
  const reached = rateLimited(model, { admitted: false, short: 'requests', limit: 500, used: 500, requested: 1, waitMs });
  // Without `retryAfter` the body alone says how long: some answers lack the headers (openai-node#1477).
  const { headers: _, ...bare } = reached;
  return code === undefined ? bare : { ...bare, body: bare.body.replace('"rate_limit_exceeded"', JSON.stringify(code)) };
}

function contentPolicy(code: string = 'content_policy_violation'): Refusal {
  const message = code === 'invalid_prompt'
    ? 'Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt.'
    : 'Your request was rejected as a result of our safety system. Your prompt may contain text that is not allowed by our safety system.';
  return refusal(400, message, code);
}

function html(status: number, title: string): Refusal {
  const body = `<html>\r\n<head><title>${status} ${title}</title></head>\r\n<body>\r\n<center><h1>${status} ${title}</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n`;
  return { status, contentType: 'text/html', body };
}
