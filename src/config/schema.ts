/** The whole configuration in one definition: types, validation, defaults, descriptions. */
import * as z from 'zod/mini';
import { apps, tasks } from './schema/callers.ts';
import { about, countFromZero, flag, optional, positive, reference, share, standard, text } from './schema/fields.ts';
import { groups } from './schema/groups.ts';
import { models } from './schema/models.ts';
import { policy } from './schema/policy.ts';
import { redis } from './schema/redis.ts';

const budgets = z.strictObject({
  enforce: standard(flag, true, 'false: decide, count and show, but divert nothing for a budget (a trial run).'),
  outputEstimate: standard(z.enum(['learned', 'max-tokens']), 'learned', 'What a request reserves for its answer. learned: as much as answers have used so far; before there are enough of them its max_tokens, else 1,000, at most a tenth of the limit. max-tokens: its max_tokens, else 1,000.'),
  whenRedisIsDown: standard(z.enum(['share', 'open', 'closed']), 'share', 'share: each pod keeps to the share handed out before the outage; open: no limits; closed: requests are refused.'),
  maxPods: standard(positive, 10, 'A pod that starts while Redis is away takes 1/maxPods of every limit.'),
});

const passthrough = z.strictObject({
  paths: standard(
    z.array(text.check(z.regex(/^[A-Za-z0-9_-]+(?:\/[A-Za-z0-9_-]+)*$/, 'expected a path under /v1/ such as files'))),
    ['files', 'batches', 'audio', 'images', 'moderations'],
    'Paths under /v1/, forwarded to the model that x-spillway-model names.',
  ),
});

const telemetry = z.strictObject({
  prompts: standard(flag, false, 'Never record prompt or answer text unless true.'),
});

const alerts = z.strictObject({
  failuresPerHour: standard(countFromZero, 5, 'Alert when one model fails more often in an hour.'),
  fallbackRate: standard(share, 0.5, 'Alert when a larger share of the requests falls back.'),
  webhook: standard(z.nullable(reference), null, 'Where the address is that alerts are sent to.'),
});

export const schema = z.strictObject({
  version: standard(z.literal(1, 'this Spillway reads version 1: write version: 1'), 1, 'The version of this format.'),
  models: about(models, 'One upstream model each, behind one credential and one budget.'),
  groups: about(groups, 'What an app names in "model".'),
  apps: standard(apps, {}, 'Budgets of callers, by x-spillway-app; default is for those that are not named, each for itself.'),
  tasks: optional(tasks, 'How "model": "auto" picks a group.'),
  policy: standard(policy, {}, 'Retries, time-outs and the like; a group may override them.'),
  budgets: standard(budgets, {}, 'How budgets are kept.'),
  redis: optional(redis, 'Where pods share budgets; absent: they live in this process.'),
  drills: standard(flag, false, 'true: the header x-spillway-drill makes the primary fail once, to test the fallback.'),
  passthrough: standard(passthrough, {}, 'What else is forwarded to the upstreams.'),
  telemetry: standard(telemetry, {}, 'What is recorded.'),
  alerts: standard(alerts, {}, 'When to alert, and where.'),
});
