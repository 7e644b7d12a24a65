/** `apps` and `tasks`: whose budget a request is on, and which group "auto" means. */
import * as z from 'zod/mini';
import { about, name, nameKey, optional, positive, standard, text } from './fields.ts';
import { limits } from './models.ts';
import { priority } from './policy.ts';

const app = z.strictObject({
  limits: standard(limits, {}, "The caller's own budget, beside the models'."),
  priority: optional(priority, "The caller's priority; the policy's by default."),
  whenExhausted: standard(name, 'refuse', 'refuse, or a group that serves it instead.'),
});

export const apps = z.record(nameKey, app);

const rule = z.strictObject({
  task: about(name, 'What x-spillway-task says to pick this rule.'),
  keywords: optional(z.array(text).check(z.minLength(1, 'needs at least one word; or leave keywords out')), 'Words in the prompt that pick this rule.'),
  maxPromptTokens: optional(positive, 'Picks this rule for prompts no longer than this.'),
  group: about(name, 'The group that serves it.'),
});

export const tasks = z.strictObject({
  default: about(name, 'The group of "auto" when no rule fits.'),
  rules: standard(z.array(rule), [], 'The first that fits picks the group.'),
});
