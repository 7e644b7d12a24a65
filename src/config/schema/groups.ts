/** `groups`: what an app names in "model". */
import * as z from 'zod/mini';
import { about, name, nameKey, optional, standard, weight } from './fields.ts';
import { policyOverrides } from './policy.ts';

const member = z.union(
  [
    name,
    z.strictObject({
      model: about(name, 'A model.'),
      weight: standard(weight, 1, 'Its share of the load, against the other members.'),
    }),
  ],
  "expected a model's name or { model: NAME, weight: N }",
);

const members = z.pipe(
  z.array(member).check(z.minLength(1, 'a group needs at least one model')),
  z.transform((written: z.output<typeof member>[]) =>
    written.map((one) => (typeof one === 'string' ? { model: one, weight: 1 } : one)),
  ),
);

export const balance = z.enum(['weighted', 'round-robin', 'least-busy', 'lowest-latency', 'lowest-cost', 'most-headroom']);

const BALANCES =
  'How several models share the load. weighted: in turns, by weight; round-robin: in turns; least-busy: the fewest requests of this pod under way, ' +
  'against the weight; lowest-latency: the shortest time to the first token, or to the whole answer where it is not streamed; lowest-cost: the lowest ' +
  'price, those without one last; most-headroom: the most left of the shared budget. Equals share by weight, and unwell models come last.';

export const group = z.strictObject({
  models: about(members, 'The primary models; several share the load.'),
  balance: standard(balance, 'weighted', BALANCES),
  fallback: standard(z.array(name), [], 'Models or groups, tried in this order.'),
  contextWindowFallback: standard(z.array(name), [], 'Models or groups, tried instead of fallback when the prompt is too long for a model of the group. Empty: the upstream\'s refusal goes back to the app.'),
  contentPolicyFallback: standard(z.array(name), [], 'Models or groups, tried after a content-policy refusal. Empty: the refusal goes back to the app.'),
  policy: optional(policyOverrides, 'Overrides the top policy, key by key.'),
});

export const groups = z.record(nameKey, group);
