import type { Failure } from '../providers/types.ts';
import { codeOf } from '../wire/record.ts';

export const TIMED_OUT: Failure = { reason: 'timeout', divert: true };
export const MALFORMED: Failure = { reason: 'malformed_response', divert: true };
export const CUT: Failure = { reason: 'connection', divert: true };

const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT']);

/** What Node's or undici's error means. Llhttp's own codes begin with HPE_. */
export function connectionFailure(error: unknown): Failure {
  const code = codeOf(error) ?? '';
  if (TIMEOUTS.has(code)) return TIMED_OUT;
  return code.startsWith('HPE_') ? MALFORMED : CUT;
}
