/** The header x-spillway-drill: the primary fails for one request, so that a fallback can be tried without a real outage. */
import type { Reason } from '../wire/reasons.ts';

export interface Drill {
  /** What the primary is to have answered. */
  readonly reason: Reason;
  /** False: it fails before anything is sent. True: it is asked, and its stream is cut after the first content. */
  readonly cut: boolean;
}

const DRILLS: ReadonlyMap<string, Drill> = new Map<string, Drill>([
  ['rate_limited', { reason: 'rate_limited', cut: false }],
  ['timeout', { reason: 'timeout', cut: false }],
  ['server_error', { reason: 'server_error', cut: false }],
  ['context_window', { reason: 'context_window', cut: false }],
  ['content_policy', { reason: 'content_policy', cut: false }],
  ['cut-stream', { reason: 'connection', cut: true }],
]);

/** What the header may say, for messages. */
export const DRILL_NAMES: string = [...DRILLS.keys()].join(', ');

/**
 * Where drills are off the header means nothing, whatever it says: an app that still sends it must not fail for it. A drill is
 * no news of the model: it is never reported as its health, and what was reserved for a call that was not sent goes back.
 * @param enabled `drills` of the configuration
 * @returns undefined for none
 */
export function drillOf(header: string | undefined, enabled: boolean): Drill | 'unknown' | undefined {
  const name = header?.trim() ?? '';
  return !enabled || name === '' ? undefined : (DRILLS.get(name) ?? 'unknown');
}
