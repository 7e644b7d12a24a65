/** What the API server answers when it does not do what it was asked: a Status object, as a response or inside a watch. */
import { field, messageOf, parseJson, stringField } from '../wire/record.ts';
import { retryAfterMs } from '../wire/retry-after.ts';

/** A wait longer than this is a mistake of whoever asks for it. */
const LONGEST_WAIT_MS = 300_000;

export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, message: string, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, LONGEST_WAIT_MS);
  }

  /** The version that the watch began from is no longer kept. */
  get gone(): boolean {
    return this.status === 410;
  }
}

/** Proxies answer with pages of their own, so the body may be anything. */
export function apiErrorOf(status: number, header: (name: string) => string | undefined, body: string): ApiError {
  const parsed = parseJson(body);
  const text = stringField(parsed, 'message') ?? body.replaceAll(/\s+/g, ' ').trim().slice(0, 200);
  return new ApiError(status, `the API server answered ${status}${text === '' ? '' : `: ${text}`}`, retryAfterMs(header, Date.now) ?? secondsOf(parsed));
}

/** @param object of an ERROR event, which comes after a 200 */
export function apiErrorOfEvent(object: unknown): ApiError {
  const code = field(object, 'code');
  const reason = stringField(object, 'reason') ?? 'no reason given';
  const status = typeof code === 'number' ? code : reason === 'Expired' || reason === 'Gone' ? 410 : 500;
  return new ApiError(status, `the API server broke off the watch (${status} ${reason}): ${stringField(object, 'message') ?? ''}`, secondsOf(object));
}

function secondsOf(status: unknown): number | undefined {
  const seconds = field(field(status, 'details'), 'retryAfterSeconds');
  return typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : undefined;
}

/** fetch says no more than "fetch failed"; its cause says why. */
export function causeOf(error: unknown): string {
  const cause = field(error, 'cause') ?? (error instanceof Error ? error.cause : undefined);
  const errors = field(cause, 'errors') ?? (cause instanceof AggregateError ? cause.errors : undefined);
  if (Array.isArray(errors) && errors.length > 0) return messageOf(errors[0]);
  return messageOf(cause ?? error);
}
