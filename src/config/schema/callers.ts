/** `apps` and `tasks`: whose budget a request is on, and which group "auto" means. */
import * as z from 'zod/mini';
import { about, name, nameKey, optional, positive, standard } from './fields.ts';
import { limits } from './models.ts';
import { priority } from './policy.ts';

const app = z.strictObject({
  limits: standard(limits, {}, "The caller's own budget, beside the models'."),
  priority: optional(priority, "The caller's priority; the policy's by default."),
  whenExhausted: standard(name, 'refuse', 'refuse, or a group that serves it instead.'),
});

export const apps = z.record(nameKey, app);

const keyword = z.string().check(z.regex(/\S/, 'a keyword needs at least one sign that is no space'));

const rule = z.strictObject({
  task: about(name, 'What x-spillway-task says to pick this rule; a rule without keywords and maxPromptTokens is picked by it alone.'),
  keywords: optional(z.array(keyword).check(z.minLength(1, 'needs at least one word; or leave keywords out')), 'Picks this rule for prompts with one of these: whole words in the last message of the user, in any case.'),
  maxPromptTokens: optional(positive, 'Picks this rule for prompts no longer than this, by estimate; beside keywords both must hold.'),
  group: about(name, 'The group that serves it.'),
});

export const tasks = z.strictObject({
  default: about(name, 'The group of "auto" when no rule fits, or when x-spillway-task names a task of which there is none.'),
  rules: standard(z.array(rule), [], 'The first that fits picks the group. x-spillway-task wins.'),
});
