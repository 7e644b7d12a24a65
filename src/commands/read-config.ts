/** FILE as a configuration, for the commands that are given one. */
import { parseConfig } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { readText } from '../config/sources/read.ts';
import type { LoadResult } from '../config/types.ts';
import { codeOf } from '../wire/record.ts';
import type { Io } from './command.ts';

type Loaded = Extract<LoadResult, { ok: true }>;

/** @returns the lines for standard error when there is no configuration */
export async function readConfig(file: string, key: string, io: Pick<Io, 'stdin'>): Promise<Loaded | readonly string[]> {
  let text: string;
  try {
    text = file === '-' ? await io.stdin() : await readText(file);
  } catch (error) {
    return [`${file}: ${unreadable(codeOf(error))}`];
  }
  const result = parseConfig(text, file, key);
  return result.ok ? result : result.problems.map((problem) => formatProblem(problem));
}

function unreadable(code: string | undefined): string {
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'this is a directory';
  if (code === 'EACCES') return 'this file may not be read';
  return `cannot be read${code === undefined ? '' : ` (${code})`}`;
}
