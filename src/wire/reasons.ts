/** Why a model did not serve a request: the contract's closed list, used in headers, errors, metrics and logs alike. */
export const REASONS = [
  // not sent: the model's budget, or the caller's own, had no room
  'budget_requests',
  'budget_tokens',
  'budget_concurrency',
  'budget_cost',
  'app_budget',
  // not sent: known to be unwell
  'cooldown',
  'circuit_open',
  // what the upstream did or could not do
  'rate_limited',
  'quota_exhausted',
  'overloaded',
  'server_error',
  'timeout',
  'connection',
  'auth',
  'not_found',
  'context_window',
  'content_policy',
  'malformed_response',
  'untranslatable',
] as const;

export type Reason = (typeof REASONS)[number];

const WAITING_HELPS: ReadonlySet<Reason> = new Set<Reason>([
  'budget_requests',
  'budget_tokens',
  'budget_concurrency',
  'budget_cost',
  'app_budget',
  'rate_limited',
]);

const STATUS: Partial<Record<Reason, number>> = {
  context_window: 400,
  content_policy: 400,
  untranslatable: 400,
  timeout: 504,
  overloaded: 503,
  cooldown: 503,
  circuit_open: 503,
};

/** The HTTP status when nothing could serve (contract, "When nothing can serve"). */
export function statusOf(reasons: readonly Reason[]): number {
  if (reasons.length > 0 && reasons.every((reason) => WAITING_HELPS.has(reason))) return 429;
  return STATUS[reasons[0] ?? 'connection'] ?? 502;
}
