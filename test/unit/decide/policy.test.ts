import { describe, expect, test } from '@jest/globals';
import { stepAfter, type Failed, type Step } from '../../../src/decide/policy.ts';
import { stepWhenNothingOpen, waitForPrimary, type NothingOpen, type Patience, type Refused } from '../../../src/decide/waits.ts';
import type { Reason } from '../../../src/wire/reasons.ts';

const POLICY: Patience = { retry: { attempts: 1, backoff: 250, maxBackoff: 8000, honourRetryAfter: 10_000 }, maxAttempts: 6, wait: 0 };
const FAILED: Failed = { reason: 'server_error', retryAfterMs: undefined, silent: false, primary: true, retriesHere: 0, attempts: 1, timeLeftMs: 600_000, waitedMs: 0, hasNext: true, fallbacks: { context: false, content: false } };
const ALONE: Partial<Failed> = { hasNext: false };

const NEXT: Step = { do: 'next' };
const GIVE_UP: Step = { do: 'giveUp' };
const wait = (forMs: number): Step => ({ do: 'wait', forMs });
const retry = (afterMs: number): Step => ({ do: 'retry', afterMs });
const after = (failed: Partial<Failed>, policy: Partial<Patience> = {}, random = 0.5): Step => stepAfter({ ...FAILED, ...failed }, { ...POLICY, ...policy }, random);
const retries = (changes: Partial<Patience['retry']>): Partial<Patience> => ({ retry: { ...POLICY.retry, ...changes } });

describe('a throttle', () => {
  const TOLD: Partial<Failed> = { reason: 'rate_limited', retryAfterMs: 2000 };

  test.each<Reason>(['rate_limited', 'quota_exhausted', 'overloaded', 'server_error', 'timeout', 'connection', 'malformed_response'])('%s with a Retry-After diverts at once', (reason) => {
    expect(after({ reason, retryAfterMs: 2000 })).toEqual(NEXT);
  });

  test.each<Reason>(['rate_limited', 'quota_exhausted'])('%s without one, too', (reason) => {
    expect(after({ reason })).toEqual(NEXT);
    expect(after({ reason, retryAfterMs: 0 }, { wait: 60_000 })).toEqual(NEXT);
  });

  test('`wait`: a shorter one is waited for, a longer one is not', () => {
    expect(after(TOLD, { wait: 3000 })).toEqual(wait(2000));
    expect(after(TOLD, { wait: 2000 })).toEqual(wait(2000));
    expect(after(TOLD, { wait: 1999 })).toEqual(NEXT);
    expect(after({ ...TOLD, retryAfterMs: 1999.2 }, { wait: 1999 })).toEqual(NEXT);
  });

  test('`wait` is for the primary, and counts what was waited before', () => {
    expect(after({ ...TOLD, primary: false }, { wait: 3000 })).toEqual(NEXT);
    expect(after({ ...TOLD, waitedMs: 1001 }, { wait: 3000 })).toEqual(NEXT);
    expect(after({ ...TOLD, waitedMs: 1000 }, { wait: 3000 })).toEqual(wait(2000));
  });

  test('with nobody to divert to it is waited for, up to honourRetryAfter or `wait`', () => {
    expect(after({ ...TOLD, ...ALONE })).toEqual(wait(2000));
    expect(after({ ...TOLD, ...ALONE, primary: false })).toEqual(wait(2000));
    expect(after({ ...TOLD, ...ALONE, retryAfterMs: 10_001 })).toEqual(GIVE_UP);
    expect(after({ ...TOLD, ...ALONE, waitedMs: 8001 })).toEqual(GIVE_UP);
    expect(after({ ...TOLD, ...ALONE, retryAfterMs: 20_000 }, { wait: 30_000 })).toEqual(wait(20_000));
    expect(after({ ...TOLD, ...ALONE, retryAfterMs: Infinity }, { wait: 30_000 })).toEqual(GIVE_UP);
  });

  test('never beyond the deadline', () => {
    expect(after({ ...TOLD, ...ALONE, timeLeftMs: 2000 })).toEqual(GIVE_UP);
    expect(after({ ...TOLD, timeLeftMs: 2000 }, { wait: 3000 })).toEqual(NEXT);
    expect(after({ ...TOLD, ...ALONE, timeLeftMs: 2001 })).toEqual(wait(2000));
  });

  test('that says nothing of its length is waited for as long as the engine keeps the model out', () => {
    expect(after({ reason: 'rate_limited', ...ALONE })).toEqual(wait(1000));
    expect(after({ reason: 'rate_limited', ...ALONE, retriesHere: 2, waitedMs: 3000 })).toEqual(wait(4000));
    expect(after({ reason: 'rate_limited', ...ALONE, retriesHere: 3, waitedMs: 7000 })).toEqual(GIVE_UP);
    expect(after({ reason: 'rate_limited', ...ALONE, retriesHere: 2000 })).toEqual(GIVE_UP);
    expect(after({ reason: 'rate_limited', ...ALONE }, retries({ honourRetryAfter: 0 }))).toEqual(GIVE_UP);
    expect(after({ reason: 'quota_exhausted', ...ALONE })).toEqual(GIVE_UP);
  });

  test('is not limited by retry.attempts', () => {
    expect(after({ ...TOLD, ...ALONE, retriesHere: 3, attempts: 4 }, retries({ attempts: 0 }))).toEqual(wait(2000));
  });
});

describe('a failure that may pass', () => {
  const PASSING: Reason[] = ['server_error', 'overloaded', 'connection', 'malformed_response', 'timeout'];

  test.each(PASSING)('%s: the same model again, then the next', (reason) => {
    expect(after({ reason })).toEqual(retry(125));
    expect(after({ reason, retriesHere: 1, attempts: 2 })).toEqual(NEXT);
    expect(after({ reason, retriesHere: 1, attempts: 2, ...ALONE })).toEqual(GIVE_UP);
    expect(after({ reason }, retries({ attempts: 0 }))).toEqual(NEXT);
  });

  test('full jitter: anything from nothing to the doubled pause, which has a longest', () => {
    const three = retries({ attempts: 3 });
    expect(after({}, three, 0)).toEqual(retry(0));
    expect(after({ retriesHere: 2, attempts: 3 }, three, 0.5)).toEqual(retry(500));
    expect(after({ retriesHere: 90, attempts: 3 }, retries({ attempts: 100 }), 0.5)).toEqual(retry(4000));
    expect(after({ retriesHere: 5000, attempts: 3 }, retries({ attempts: 9000, backoff: 0 }), 0.5)).toEqual(retry(0));
  });

  test('no pause that does not fit the time left', () => {
    expect(after({ timeLeftMs: 125 })).toEqual(NEXT);
    expect(after({ timeLeftMs: 125, ...ALONE })).toEqual(GIVE_UP);
    expect(after({ timeLeftMs: 126 })).toEqual(retry(125));
  });

  test('a silent model is not tried again', () => {
    expect(after({ reason: 'timeout', silent: true })).toEqual(NEXT);
    expect(after({ reason: 'timeout', silent: true, ...ALONE })).toEqual(GIVE_UP);
  });
});

describe('a failure that lasts, or lies in the request', () => {
  test.each<Reason>(['auth', 'not_found', 'untranslatable'])('%s: the next, no retry', (reason) => {
    expect(after({ reason })).toEqual(NEXT);
    expect(after({ reason, ...ALONE })).toEqual(GIVE_UP);
    expect(after({ reason, ...ALONE, retryAfterMs: 1 }, { wait: 1000 })).toEqual(GIVE_UP);
  });

  test.each<[Reason, 'context' | 'content']>([['context_window', 'context'], ['content_policy', 'content']])('%s goes back to the app, unless its fallback is configured', (reason, to) => {
    expect(after({ reason })).toEqual(GIVE_UP);
    expect(after({ reason, ...ALONE, fallbacks: { context: false, content: false, [to]: true } })).toEqual({ do: 'switch', to });
    expect(after({ reason, fallbacks: { context: true, content: true, [to]: false } })).toEqual(GIVE_UP);
  });

  test('the caller’s own mistake goes back at once', () => {
    expect(after({ reason: undefined })).toEqual(GIVE_UP);
  });
});

test.each<Partial<Failed>>([{}, { reason: 'rate_limited', retryAfterMs: 1, ...ALONE }, { reason: 'auth' }, { reason: 'context_window', fallbacks: { context: true, content: true } }])('maxAttempts and the deadline end everything: %j', (failed) => {
  expect(after({ ...failed, attempts: 6 })).toEqual(GIVE_UP);
  expect(after({ ...failed, timeLeftMs: 0 })).toEqual(GIVE_UP);
  expect(after({ ...failed, attempts: 5 })).not.toEqual(GIVE_UP);
});

describe('no model is open', () => {
  const nothing = (refusals: Refused[], state: Partial<NothingOpen> = {}) => stepWhenNothingOpen({ refusals, timeLeftMs: 600_000, waitedMs: 0, attempts: 0, ...state }, POLICY);
  const refusal = (waitMs: number | undefined, reason: Reason = 'budget_requests'): Refused => ({ reason, waitMs });

  test.each<[string, Refused[], Partial<NothingOpen>, object]>([
    ['the soonest', [refusal(9000), refusal(4000, 'cooldown'), refusal(5000)], {}, wait(4000)],
    ['as long as is honoured', [refusal(10_000)], {}, wait(10_000)],
    ['too long', [refusal(10_001)], {}, GIVE_UP],
    ['waited before', [refusal(4000)], { waitedMs: 6001 }, GIVE_UP],
    ['beyond the deadline', [refusal(4000)], { timeLeftMs: 4000 }, GIVE_UP],
    ['no call left', [refusal(4000)], { attempts: 6 }, GIVE_UP],
    ['not known', [refusal(undefined, 'budget_concurrency')], {}, GIVE_UP],
    ['never', [refusal(-1, 'budget_tokens')], {}, GIVE_UP],
    ['never and soon', [refusal(-1, 'budget_tokens'), refusal(10, 'app_budget')], {}, wait(10)],
    ['at once is a moment later', [refusal(0)], {}, wait(1)],
    ['rounded up', [refusal(1.2)], {}, wait(2)],
    ['a circuit is not waited for', [refusal(10, 'circuit_open')], {}, GIVE_UP],
    ['nor a model that can never serve', [refusal(undefined, 'untranslatable'), refusal(5, 'auth')], {}, GIVE_UP],
    ['nobody', [], {}, GIVE_UP],
  ])('%s', (_, refusals, state, step) => {
    expect(nothing(refusals, state)).toEqual(step);
  });
});

test.each<[Refused, number, number, number, number]>([
  [{ reason: 'budget_requests', waitMs: 2000 }, 0, 600_000, 3000, 2000],
  [{ reason: 'cooldown', waitMs: 1999.5 }, 0, 600_000, 3000, 2000],
  [{ reason: 'cooldown', waitMs: 3001 }, 0, 600_000, 3000, 0],
  [{ reason: 'cooldown', waitMs: 2000 }, 1001, 600_000, 3000, 0],
  [{ reason: 'cooldown', waitMs: 2000 }, 0, 2000, 3000, 0],
  [{ reason: 'cooldown', waitMs: 1 }, 0, 600_000, 0, 0],
  [{ reason: 'budget_concurrency', waitMs: undefined }, 0, 600_000, 3000, 0],
  [{ reason: 'budget_tokens', waitMs: -1 }, 0, 600_000, 3000, 0],
  [{ reason: 'circuit_open', waitMs: 10 }, 0, 600_000, 3000, 0],
])('the primary, %j, after %d ms of waiting with %d ms left and `wait` %d: %d', (refusal, waitedMs, timeLeftMs, preferred, expected) => {
  expect(waitForPrimary(refusal, waitedMs, timeLeftMs, { wait: preferred })).toBe(expected);
});
