/** `groups`: what an app names in "model". */
import * as z from 'zod/mini';
import { about, amount, name, nameKey, optional, standard } from './fields.ts';
import { policyOverrides } from './policy.ts';

const member = z.union(
  [
    name,
    z.strictObject({
      model: about(name, 'A model.'),
      weight: standard(amount, 1, 'Its share of the load, against the other members.'),
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

export const group = z.strictObject({
  models: about(members, 'The primary models; several share the load.'),
  balance: standard(balance, 'weighted', 'How several models share the load.'),
  fallback: standard(z.array(name), [], 'Models or groups, tried in this order.'),
  contextWindowFallback: standard(z.array(name), [], 'Tried, instead of fallback, when the prompt does not fit.'),
  contentPolicyFallback: standard(z.array(name), [], 'Tried after a content-policy refusal; empty: the refusal goes back to the app.'),
  policy: optional(policyOverrides, 'Overrides the top policy, key by key.'),
});

export const groups = z.record(nameKey, group);
