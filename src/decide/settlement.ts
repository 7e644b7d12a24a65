import type { Actual } from '../budgets/types.ts';
import type { Reason } from '../wire/reasons.ts';
import { TURNED_AWAY, UNKNOWN, UNSENT } from './asks.ts';

/** After these the upstream may have worked on the request: it counted the tokens when it took it in. */
const MAYBE_WORKED: ReadonlySet<Reason> = new Set<Reason>(['server_error', 'timeout', 'connection', 'malformed_response', 'overloaded']);

/** What a call that brought no answer is charged. @param reason undefined: the caller's own mistake */
export function chargeOfFailure(sent: boolean, reason: Reason | undefined): Actual {
  if (!sent) return UNSENT;
  return reason !== undefined && MAYBE_WORKED.has(reason) ? UNKNOWN : TURNED_AWAY;
}
