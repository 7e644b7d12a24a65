/** `spillway validate FILE`: every mistake of a configuration with its place, as compilers say it. */
import { parseArgs } from 'node:util';
import { CONFIG_KEY } from '../kubernetes/config-map.ts';
import { formatProblem } from '../config/problem.ts';
import type { Config } from '../config/types.ts';
import { readConfig } from './read-config.ts';

const HELP = `Usage: spillway validate FILE

Checks a configuration. FILE is plain YAML, a ConfigMap manifest, or - for standard input.
Each mistake is one line on standard error: FILE:LINE:COLUMN: MESSAGE. Warnings name what this version does not do yet.

Options:
  --key KEY   the key of the ConfigMap that holds the configuration (default: ${CONFIG_KEY})
  --help      this text

Exit codes: 0 valid (warnings included), 1 mistakes or unreadable, 2 wrong usage.
`;

export interface ValidateIo {
  stdout: (s: string) => void;
  stderr: (s: string) => void;
  stdin: () => Promise<string>;
}

export async function validate(args: string[], io: ValidateIo): Promise<number> {
  const asked = read(args);
  if ('help' in asked) {
    io.stdout(HELP);
    return 0;
  }
  if ('wrong' in asked) {
    io.stderr(`${asked.wrong}\n\n${HELP}`);
    return 2;
  }
  const { file, key } = asked;
  const loaded = await readConfig(file, key, io);
  if (!('config' in loaded)) {
    for (const line of loaded) io.stderr(`${line}\n`);
    return 1;
  }
  for (const problem of loaded.inactive) io.stderr(`${formatProblem(problem, 'warning: ')}\n`);
  io.stdout(`${file}: valid: ${counted(loaded.config)}\n`);
  return 0;
}

type Asked = { readonly file: string; readonly key: string } | { readonly help: true } | { readonly wrong: string };

function read(args: string[]): Asked {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, key: { type: 'string' } },
    });
    if (values.help) return { help: true };
    const [file, ...more] = positionals;
    if (file === undefined || file === '') return { wrong: 'spillway validate: which file?' };
    if (more.length > 0) return { wrong: 'spillway validate: one file at a time' };
    return { file, key: values.key ?? CONFIG_KEY };
  } catch (error) {
    return { wrong: `spillway validate: ${(error as { message: string }).message}` };
  }
}

function counted(config: Config): string {
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
  return `${count(Object.keys(config.models).length, 'model')}, ${count(Object.keys(config.groups).length, 'group')}`;
}
