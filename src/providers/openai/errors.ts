/**
 * What an OpenAI-style error means: the first of its names (codes before types) that the table knows, else its text, else
 * the status. The names and texts are OpenAI's own and those of servers that speak its format; the bodies that they were
 * read from are in the tests, with their sources.
 */
import type { Reason } from '../../wire/reasons.ts';
import { field, isRecord, parseJson, stringField } from '../../wire/record.ts';
import { retryAfterMs } from '../../wire/retry-after.ts';
import type { Failure, HeaderReader } from '../types.ts';

/** Codes and types as the servers write them; compared without case and punctuation, which differ. */
const NAMES: Partial<Record<Reason, readonly string[]>> = {
  rate_limited: ['rate_limit_exceeded', 'rate_limited', 'rate_limit_error', 'RateLimitReached', 'RESOURCE_EXHAUSTED', 'ThrottlingException', 'requests', 'tokens'],
  quota_exhausted: [
    'insufficient_quota', 'billing_hard_limit_reached', 'billing_not_active', 'billing_error', 'insufficient_credits',
    'budget_exceeded', 'exceeded_current_quota_error', 'enforced_spend_limit_reached', 'contract_spend_limit_reached', 'Arrearage',
  ],
  // Not `server_error`, nor `api_error`: OpenAI's 503 has that type, too, and there the status says more.
  overloaded: ['overloaded_error', 'server_is_overloaded', 'engine_overloaded', 'slow_down', 'capacity_exceeded', 'UNAVAILABLE'],
  timeout: ['timeout', 'timeout_error', 'DEADLINE_EXCEEDED'],
  // Not PERMISSION_DENIED: xAI says it of a team without credits, too, and the text tells which.
  auth: ['invalid_api_key', 'API_KEY_INVALID', 'authentication_error', 'permission_error', 'UNAUTHENTICATED', 'expired_key', 'unsupported_country_region_territory'],
  not_found: ['model_not_found', 'DeploymentNotFound', 'NotFoundError', 'not_found_error', 'invalid_model'],
  context_window: ['context_length_exceeded', 'exceed_context_size_error', 'tokens_limit_reached'],
  content_policy: [
    'content_policy_violation', 'content_filter', 'invalid_prompt', 'ResponsibleAIPolicyViolation', 'moderation_blocked',
    'DataInspectionFailed',
  ],
};

interface Wording {
  readonly is: Reason;
  /** A text is believed only where its status could mean the same: many messages quote a prompt or link to billing pages. */
  readonly at: readonly number[];
  readonly says: RegExp;
}

/** In this order. An error inside an answer that has no number counts as a 500. */
const WORDINGS: readonly Wording[] = [
  {
    is: 'context_window',
    at: [400, 413, 422, 500],
    says: /context (?:length|window|size|limit)|ContextWindowExceeded|(?:prompt|input) is too long|maximum prompt length|input tokens? (?:count )?(?:\(\d+\) )?exceeds? the|range of input length|`?inputs`? tokens \+ `?max_new_tokens|length of all messages is too long|max_tokens must be at least 1, got -|'(?:messages|input)[^']*': string too long/i,
  },
  {
    is: 'content_policy',
    at: [400, 403, 422, 500],
    says: /content management policy|ContentPolicyViolation|(?:input|prompt) was flagged|violat\w+ (?:our )?usage (?:policy|guidelines)|safety system|inappropriate content|Content Exists Risk/i,
  },
  {
    is: 'quota_exhausted',
    at: [400, 403, 412, 429, 500],
    says: /insufficient (?:balance|credit|fund|quota)|credit balance is too low|(?:no|any|out of|all available|requires more) credits|exceeded your current quota|(?:spending|budget) limit|budget has been exceeded|ExceededBudget|API usage limits|account is not active|call volume quota/i,
  },
  { is: 'auth', at: [400], says: /API key (?:not valid|expired|is invalid)|location is not supported/i },
  { is: 'not_found', at: [400], says: /invalid model name|model not exist|not a valid model ID|^invalid model: /im },
  // The model is well, but cannot do what this request asks for.
  { is: 'untranslatable', at: [404], says: /no endpoints found that support/i },
  // Not at 429: there it means this account, and diverts at once.
  { is: 'overloaded', at: [400, 498, 500, 502], says: /overloaded|(?:at|over|tier) capacity|capacity exceeded|server (?:is )?busy/i },
  { is: 'rate_limited', at: [413, 500], says: /rate[- ]limit(?:ed| reached| (?:is )?exceeded)|too many requests/i },
];

const STATUSES: Readonly<Record<number, Reason>> = {
  401: 'auth',
  402: 'quota_exhausted',
  403: 'auth',
  404: 'not_found',
  405: 'not_found',
  407: 'auth',
  408: 'timeout',
  409: 'server_error',
  410: 'not_found',
  424: 'server_error',
  429: 'rate_limited',
  498: 'overloaded',
  503: 'overloaded',
  504: 'timeout',
  522: 'timeout',
  524: 'timeout',
  529: 'overloaded',
};

/** These lie in the request itself; another model is asked only where the configuration says so. */
const CALLERS_OWN: ReadonlySet<Reason> = new Set<Reason>(['context_window', 'content_policy']);
/** A time in the text is one to wait only where waiting is what the error asks for. */
const ASKS_TO_WAIT: ReadonlySet<Reason | undefined> = new Set<Reason>(['rate_limited', 'quota_exhausted', 'overloaded']);
/** What an error has to say stands in its first lines. */
const TEXT_LIMIT = 4096;

export function classify(status: number, header: HeaderReader, body: Buffer, wallClock: () => number): Failure {
  const text = body.toString();
  const failure = classifyBody(status, parseJson(text) ?? text);
  const byHeader = retryAfterMs(header, wallClock);
  // A header of 0 says nothing that a text could not say better.
  return { ...failure, retryAfterMs: byHeader || (failure.retryAfterMs ?? byHeader) };
}

/** @param status the HTTP status; 200 for an error that came inside an answer */
export function classifyBody(status: number, body: unknown): Failure {
  const error = errorOf(body);
  const text = textOf(error);
  const reason = reasonOf(status, error, text);
  return { reason, divert: reason !== undefined && !CALLERS_OWN.has(reason), retryAfterMs: ASKS_TO_WAIT.has(reason) ? waitOf(error, text) : undefined };
}

function reasonOf(status: number, error: unknown, text: string): Reason | undefined {
  // A redirect, or a status that no API of this kind gives.
  if (status !== 200 && status < 400) return 'malformed_response';
  for (const name of namesOf(error)) {
    const known = BY_NAME.get(plain(name));
    if (known !== undefined) return known;
  }
  const number = status === 200 ? (numberOf(error) ?? 500) : status;
  const wording = WORDINGS.find(({ at, says }) => at.includes(number) && says.test(text));
  return wording?.is ?? STATUSES[number] ?? (number >= 500 ? 'server_error' : undefined);
}

const BY_NAME: ReadonlyMap<string, Reason> = new Map(
  (Object.entries(NAMES) as [Reason, readonly string[]][]).flatMap(([reason, names]) => names.map((name) => [plain(name), reason] as const)),
);

function plain(name: string): string {
  return name.slice(0, 64).toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

/** Codes first: Azure puts the true one inside, LiteLLM hands that on, and Gemini gives it in the details. */
function namesOf(error: unknown): string[] {
  const handedOn = field(error, 'provider_specific_fields');
  const names = [
    field(error, 'code'),
    field(field(error, 'innererror'), 'code'),
    field(field(handedOn, 'innererror'), 'code'),
    ...detailsOf(error).map((detail) => field(detail, 'reason')),
    field(error, 'type'),
    field(error, 'status'),
    field(field(error, 'metadata'), 'error_type'),
  ];
  return names.filter((name) => typeof name === 'string');
}

/** The status that a body names: OpenRouter's and Gemini's code is a number, Azure's and LiteLLM's one in quotes. */
function numberOf(error: unknown): number | undefined {
  const code = Number(field(error, 'code') ?? Number.NaN);
  return code >= 400 && code < 600 ? code : undefined;
}

/** Gemini wraps the body in an array; some proxies wrap one error in another; older servers do not wrap it at all. */
function errorOf(body: unknown): unknown {
  let error: unknown = Array.isArray(body) ? body[0] : body;
  for (let depth = 0; depth < 3; depth++) {
    const inner = field(error, 'error');
    if (!isRecord(inner)) break;
    error = inner;
  }
  return error;
}

/** `raw` is what OpenRouter's provider said; a message may be a record (LiteLLM), an error or a body only a text. */
function textOf(error: unknown): string {
  const message = field(error, 'message');
  const texts = [message, field(message, 'error'), field(error, 'error'), field(error, 'detail'), field(field(error, 'metadata'), 'raw'), error];
  return texts
    .filter((text) => typeof text === 'string')
    .map((text) => text.slice(0, TEXT_LIMIT))
    .join('\n');
}

const SAID = /(?:try again|retry|wait)(?: (?:in|after|for))? (\d[\w. ]{0,40})/i;
const PART = /\s*(\d+(?:\.\d+)?)\s?(?:(ms|milliseconds?)|(s(?:ec(?:ond)?s?)?)|(m(?:in(?:ute)?s?)?)|(h(?:(?:ou)?rs?)?)|(d(?:ays?)?))(?![a-z])/iy;
/** Of the units in the order of PART's groups. */
const UNITS = [1, 1000, 60_000, 3_600_000, 86_400_000] as const;

/** "Please try again in 6m0.5s", "Please retry after 20 seconds", or Gemini's `RetryInfo`: none of these comes with a header. */
function waitOf(error: unknown, text: string): number | undefined {
  const delays = detailsOf(error).map((detail) => stringField(detail, 'retryDelay'));
  return durationOf(SAID.exec(text)?.[1]) ?? durationOf(delays.find((delay) => delay !== undefined));
}

function durationOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  let ms: number | undefined;
  PART.lastIndex = 0;
  for (let part = PART.exec(text); part !== null; part = PART.exec(text)) {
    const unit = part.slice(2).findIndex((name) => name !== undefined);
    ms = (ms ?? 0) + Number(part[1]) * UNITS[unit]!;
  }
  return ms === undefined ? undefined : Math.ceil(ms);
}

function detailsOf(error: unknown): readonly unknown[] {
  const details = field(error, 'details');
  return Array.isArray(details) ? details : [];
}
