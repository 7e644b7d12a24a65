import type { Problem } from './types.ts';

/** A mistake or a warning on one line, as compilers say it. @param kind stands before the message: `warning: ` */
export function formatProblem(problem: Problem, kind = ''): string {
  return `${formatPlace(problem)}: ${kind}${problem.message}`;
}

export function formatPlace({ file, line, column }: Problem): string {
  return `${file}:${line}:${column}`;
}
