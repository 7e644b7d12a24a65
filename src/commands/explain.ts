/** `spillway explain FILE --model M`: which models would be tried, in which order, and why. Nothing is sent. */
import { parseArgs } from 'node:util';
import { CONFIG_KEY } from '../kubernetes/config-map.ts';
import { quoted } from '../config/looks-like-secret.ts';
import type { Config } from '../config/types.ts';
import { nearest } from '../wire/nearest.ts';
import { codeOf, messageOf } from '../wire/record.ts';
import { UsageError, type Io } from './command.ts';
import { promptOf, type Prompt } from './explain/prompt.ts';
import { roadOf, type Road } from './explain/road.ts';
import { choose } from './explain/task.ts';
import { textOf } from './explain/text.ts';
import { readConfig } from './read-config.ts';

export const EXPLAIN_HELP = `usage: spillway explain FILE --model M [options]

Which models a request for M would try, in which order, and why; what it would reserve of each budget, and the policy in force.
FILE is plain YAML, a ConfigMap manifest, or - for standard input. Nothing is sent, and no key is needed.

  --model M             what the app sends as "model": a group, a model, or auto
  --prompt-tokens N     the size of the prompt, in tokens; wins over the size of --text
  --text T              a prompt to measure, as the sidecar would; for auto its words count, too
  --task T              for auto: what the app sends as x-spillway-task
  --json                the same as JSON
  --key KEY             the key of the ConfigMap that holds the configuration (default: ${CONFIG_KEY})
  --help                this text

Exit codes: 0 explained, 1 FILE has mistakes or does not know M, 2 wrong usage.
`;

export type ExplainIo = Pick<Io, 'stdout' | 'stderr' | 'stdin'>;

export async function explain(args: string[], io: ExplainIo): Promise<number> {
  const asked = read(args);
  if (asked === undefined) {
    io.stdout(EXPLAIN_HELP);
    return 0;
  }
  const { file, key, model, prompt, text, task, json } = asked;
  const loaded = await readConfig(file, key, io);
  if (!('config' in loaded)) {
    for (const line of loaded) io.stderr(`${line}\n`);
    return 1;
  }
  const choice = model === 'auto' ? choose(loaded.config, task, text, prompt) : undefined;
  const road = roadOf(loaded.config, loaded.inactive, choice?.group ?? model, prompt, choice);
  if (road === undefined) {
    io.stderr(`spillway explain: ${unknown(loaded.config, model)}\n`);
    return 1;
  }
  io.stdout(json ? `${JSON.stringify(published(road), null, 2)}\n` : textOf(road));
  return 0;
}

interface Asked {
  readonly file: string;
  readonly key: string;
  readonly model: string;
  readonly prompt: Prompt;
  readonly text: string | undefined;
  readonly task: string | undefined;
  readonly json: boolean;
}

/** Undefined when help is asked for. */
function read(args: string[]): Asked | undefined {
  const { values, positionals } = parsed(args);
  if (values.help) return undefined;
  const [file, ...more] = positionals;
  if (file === undefined || file === '') throw new UsageError('which file?');
  if (more.length > 0) throw new UsageError('one file at a time');
  const { model, text, task } = values;
  if (model === undefined || model === '') throw new UsageError('which model? --model names a group or a model');
  if (task !== undefined && model !== 'auto') throw new UsageError('--task goes with --model auto');
  return { file, key: values.key ?? CONFIG_KEY, model, prompt: promptOf(model, tokens(values['prompt-tokens']), text), text, task, json: values.json ?? false };
}

function parsed(args: string[]) {
  const options = {
    model: { type: 'string' },
    'prompt-tokens': { type: 'string' },
    text: { type: 'string' },
    task: { type: 'string' },
    json: { type: 'boolean' },
    key: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    if (codeOf(error)?.startsWith('ERR_PARSE_ARGS')) throw new UsageError(messageOf(error));
    throw error;
  }
}

function tokens(written: string | undefined): number | undefined {
  if (written === undefined) return undefined;
  const n = /^\d{1,15}$/.test(written) ? Number(written) : undefined;
  if (n === undefined) throw new UsageError(`--prompt-tokens ${written}: expected a whole number`);
  return n;
}

function unknown(config: Config, model: string): string {
  const known = [...new Set([...Object.keys(config.groups), ...Object.keys(config.models)])];
  const list = `known are ${known.join(', ')}`;
  if (model === 'auto') return `"auto" picks a group by the file's tasks, and it has none: the app gets 404; name a group or a model: ${list}`;
  const near = nearest(model, known);
  return `there is no model or group ${quoted(model)}: ${near === undefined ? '' : `did you mean "${near}"? `}${list}`;
}

/** Without what only the arithmetic needs. */
function published({ prompt: { tokens, from, bytes }, ...rest }: Road): object {
  return { ...rest, prompt: { tokens, from, ...(bytes !== undefined && { bytes }) } };
}
