import type { Failure } from '../providers/types.ts';
import { codeOf, stringField } from '../wire/record.ts';

export const TIMED_OUT: Failure = { reason: 'timeout', divert: true };
export const MALFORMED: Failure = { reason: 'malformed_response', divert: true };
export const CUT: Failure = { reason: 'connection', divert: true };

const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT']);

/** What Node's or undici's error means. Undici's parser errors have a name, and a code only sometimes. */
export function connectionFailure(error: unknown): Failure {
  const code = codeOf(error) ?? '';
  if (TIMEOUTS.has(code)) return TIMED_OUT;
  return code.startsWith('HPE_') || stringField(error, 'name') === 'HTTPParserError' ? MALFORMED : CUT;
}
