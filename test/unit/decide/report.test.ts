import { expect, test } from '@jest/globals';
import { LONGEST_AWAY_MS, NEUTRAL, reportOf } from '../../../src/decide/report.ts';
import { REASONS, type Reason } from '../../../src/wire/reasons.ts';

const breaker = { failures: 3, window: 10_000, open: 20_000 };
const failed = { kind: 'failed', failures: 3, windowMs: 10_000, openMs: 20_000 };
const away = (forMs: number | null) => ({ kind: 'throttled', forMs });

test.each<[Reason | undefined, number | undefined, object]>([
  ['rate_limited', 1500, away(1500)],
  ['rate_limited', undefined, away(null)],
  ['rate_limited', 0, away(null)],
  ['rate_limited', 0.2, away(1)],
  ['rate_limited', Infinity, away(LONGEST_AWAY_MS)],
  ['quota_exhausted', undefined, away(null)],
  ['quota_exhausted', 86_400_000, away(LONGEST_AWAY_MS)],
  ['overloaded', undefined, failed],
  ['overloaded', 0, failed],
  ['overloaded', 3000, away(3000)],
  ['server_error', undefined, failed],
  ['server_error', 3000, failed],
  ['timeout', undefined, failed],
  ['connection', undefined, failed],
  ['malformed_response', undefined, failed],
  ['auth', undefined, failed],
  ['not_found', undefined, failed],
  ['context_window', undefined, NEUTRAL],
  ['content_policy', 3000, NEUTRAL],
  [undefined, undefined, NEUTRAL],
  [undefined, 3000, NEUTRAL],
])('%s with a wait of %p ms', (reason, retryAfterMs, expected) => expect(reportOf(reason, retryAfterMs, breaker)).toEqual(expected));

test('what was never sent says nothing of the model', () => {
  const neutral = REASONS.filter((reason) => reportOf(reason, 5, breaker).kind === 'neutral');
  expect(neutral.toSorted()).toEqual(['app_budget', 'budget_concurrency', 'budget_cost', 'budget_requests', 'budget_tokens', 'circuit_open', 'content_policy', 'context_window', 'cooldown', 'untranslatable']);
});
