/** `policy`: once at the top with defaults, and in a group without them, where each key that is there overrides. */
import * as z from 'zod/mini';
import { about, bare, countFromZero, duration, durationAboveZero, field, filled, optional, positive, share, standard } from './fields.ts';

export const priority = z.enum(['high', 'normal', 'low']);

const retry = {
  attempts: field(countFromZero, 1, 'Tries again on the same model after a failure that may pass; never after a 429, which diverts at once.'),
  backoff: field(duration, '250ms', 'The pause before the first retry; doubles with each, with full jitter.'),
  maxBackoff: field(duration, '8s', 'The longest pause between two tries.'),
  honourRetryAfter: field(duration, '10s', 'The longest Retry-After (or time until a budget has room) to wait for when nothing else can serve.'),
};

const timeouts = {
  connect: field(durationAboveZero, '5s', 'Until the connection to the upstream stands.'),
  firstToken: field(durationAboveZero, '30s', 'Until a stream brings its first token.'),
  idle: field(durationAboveZero, '30s', 'The longest silence within a stream.'),
  total: field(durationAboveZero, '600s', 'One upstream call from beginning to end.'),
};

const breaker = {
  failures: field(positive, 5, 'Failures within the window that open the breaker.'),
  window: field(durationAboveZero, '60s', 'How long a failure counts.'),
  open: field(durationAboveZero, '30s', 'How long a model is left alone before one probe.'),
};

const hedge = z.nullable(
  z.strictObject({
    after: about(duration, 'How slow the primary must be before the fallback starts beside it.'),
    maxShare: standard(share, 0.05, 'At most this share of the requests is hedged.'),
  }),
);

const keys = {
  deadline: field(durationAboveZero, '600s', "A request's whole time, all attempts included."),
  maxAttempts: field(positive, 6, "A request's upstream calls, all models included."),
  streamRecovery: field(z.enum(['error', 'continue', 'buffer']), 'error', 'What happens after a stream broke midway.'),
  hedge: field(hedge, null, 'Starts the fallback beside a slow primary, e.g. { after: 3s, maxShare: 0.05 }.'),
  wait: field(duration, '0ms', 'Prefer the primary where its budget or its Retry-After frees it within this time.'),
  priority: field(priority, 'normal', 'low leaves the last `reserve` of a budget to the others.'),
  reserve: field(share, 0.1, 'The share of a budget that requests of low priority leave alone.'),
};

const sections = {
  retry: 'Retries on the same model.',
  timeouts: 'Limits in time of one upstream call; firstToken and idle bound streams only, JSON is bounded by total.',
  breaker: 'The circuit breaker, shared by all pods.',
};

export const policy = z.strictObject({
  retry: standard(z.strictObject(filled(retry)), {}, sections.retry),
  timeouts: standard(z.strictObject(filled(timeouts)), {}, sections.timeouts),
  breaker: standard(z.strictObject(filled(breaker)), {}, sections.breaker),
  ...filled(keys),
});

export const policyOverrides = z.strictObject({
  retry: optional(z.strictObject(bare(retry)), sections.retry),
  timeouts: optional(z.strictObject(bare(timeouts)), sections.timeouts),
  breaker: optional(z.strictObject(bare(breaker)), sections.breaker),
  ...bare(keys),
});
