/** What `"model": "auto"` means for the request that is explained. */
import type { Config } from '../../config/types.ts';
import { compileTasks, type Picked } from '../../decide/tasks.ts';
import type { Prompt } from './prompt.ts';

export interface Choice extends Picked {
  /** What the app says in x-spillway-task. */
  readonly named: string | undefined;
}

/** Undefined where the file has no tasks. */
export function choose(config: Config, named: string | undefined, text: string | undefined, { tokens, from }: Prompt): Choice | undefined {
  if (config.tasks === undefined) return undefined;
  // A prompt of which nothing is known is not short.
  const promptTokens = from === 'unknown' ? Infinity : tokens;
  return { ...compileTasks(config.tasks)({ task: named, text: () => text ?? '', promptTokens }), named };
}

export function choiceText({ group, task, rule, by, named }: Choice): string {
  return `auto means ${group}: ${WHY[by](`rule ${rule + 1} (${task})`, named)}.`;
}

const WHY: Readonly<Record<Picked['by'], (rule: string, named: string | undefined) => string>> = {
  header: (rule) => `x-spillway-task names ${rule}`,
  rule: (rule) => `${rule} is the first that fits`,
  default: () => 'the default, because no rule fits',
  unknown_task: (_, named) => `the default, because no rule has the task ${JSON.stringify(named)}`,
};
