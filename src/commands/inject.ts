/** `spillway inject -f FILE`: a manifest with the sidecar in its workloads, ready for `kubectl apply -f -`. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { inject as injected, remove, type Remark, type Wanted } from '../kubernetes/inject/inject.ts';
import { KEY_SECRET, NAME } from '../kubernetes/inject/container.ts';
import { codeOf, messageOf } from '../wire/record.ts';
import { UsageError, type Io } from './command.ts';
import { VERSION } from './version.ts';

export const IMAGE = `spillway:${VERSION}`;

export const INJECT_HELP = `usage: spillway inject -f FILE [options]

Prints the manifest with the sidecar in every Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob and Pod, and what it
may do as further documents. Nothing else is touched, to the byte. FILE may be - for standard input:
  kubectl create configmap ${NAME} --from-file=spillway.yaml
  kubectl create secret generic ${KEY_SECRET} --from-literal=OPENAI_API_KEY=...
  spillway inject -f deployment.yaml --env | kubectl apply -f -

  -f, --filename FILE    the manifest: YAML or JSON, several documents, lists
  --configmap [NS/]NAME  where the configuration is; by default ${NAME}, in the workload's namespace
  --env                  sets the SDKs' base URL and a placeholder key in the app's containers, where they are not set
  --key-secret NAME      the Secret whose keys become the sidecar's environment; by default ${KEY_SECRET}, none for no Secret
  --redis-secret NAME    one more Secret, of Redis
  --image IMAGE          by default ${IMAGE}
  --no-watch             edits come with the mounted file, within about a minute; no rights are needed then
  --remove               takes the sidecar out again
  --help                 this text

Running it again makes the sidecar anew from the options then given.
Exit codes: 0 done (warnings included), 1 FILE cannot be read or changed, 2 wrong usage.
`;

export type InjectIo = Pick<Io, 'stdout' | 'stderr' | 'stdin'>;

export async function inject(args: string[], io: InjectIo): Promise<number> {
  const asked = read(args);
  if (asked === undefined) {
    io.stdout(INJECT_HELP);
    return 0;
  }
  const { file, wanted } = asked;
  const say = (found: readonly Remark[], what: string): void => {
    for (const { line, column, message } of found) io.stderr(`${file}:${line}:${column}: ${what}${message}\n`);
  };
  let text: string;
  try {
    text = file === '-' ? await io.stdin() : UTF8.decode(await readFile(file));
  } catch (error) {
    io.stderr(`${file}: ${unreadable(codeOf(error))}\n`);
    return 1;
  }
  const outcome = wanted === undefined ? remove(text) : injected(text, wanted);
  if (!outcome.ok) {
    say(outcome.problems, '');
    return 1;
  }
  say(outcome.notes, 'warning: ');
  io.stdout(outcome.text);
  return 0;
}

/** What it cannot read it could not give back. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function unreadable(code: string | undefined): string {
  if (code === 'ENOENT') return 'there is no such file';
  return code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'not valid UTF-8' : `cannot be read (${code})`;
}

interface Asked {
  readonly file: string;
  /** Undefined: take it out. */
  readonly wanted: Wanted | undefined;
}

/** Undefined when help is asked for. */
function read(args: string[]): Asked | undefined {
  const options = {
    filename: { type: 'string', short: 'f' },
    configmap: { type: 'string' },
    env: { type: 'boolean' },
    'key-secret': { type: 'string' },
    'redis-secret': { type: 'string' },
    image: { type: 'string' },
    'no-watch': { type: 'boolean' },
    remove: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  const { values } = parsed(() => parseArgs({ args, options }));
  if (values.help) return undefined;
  const { filename: file, remove, ...rest } = values;
  if (file === undefined || file === '') throw new UsageError('which file? -f FILE, or -f - for standard input');
  if (remove) {
    const [other] = Object.keys(rest);
    if (other !== undefined) throw new UsageError(`--${other} does not go with --remove`);
    return { file, wanted: undefined };
  }
  const keys = values['key-secret'] ?? KEY_SECRET;
  const secrets = [...(keys === 'none' ? [] : [named('--key-secret', keys)]), ...(values['redis-secret'] === undefined ? [] : [named('--redis-secret', values['redis-secret'])])];
  return {
    file,
    wanted: {
      image: image(values.image ?? IMAGE),
      configMap: configMap(values.configmap ?? NAME),
      watch: !values['no-watch'],
      secrets: [...new Set(secrets)],
      env: values.env ?? false,
    },
  };
}

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (codeOf(error)?.startsWith('ERR_PARSE_ARGS')) throw new UsageError(messageOf(error));
    throw error;
  }
}

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

function configMap(text: string): Wanted['configMap'] {
  const [namespace, name, ...more] = text.includes('/') ? text.split('/') : [undefined, text];
  if (more.length > 0 || (namespace !== undefined && !LABEL.test(namespace))) throw new UsageError(`--configmap ${text}: expected NAME or NAMESPACE/NAME`);
  return { namespace, name: named('--configmap', name ?? '') };
}

function named(flag: string, name: string): string {
  if (!SUBDOMAIN.test(name)) throw new UsageError(`${flag} ${name}: a name in Kubernetes is lower-case letters, digits, - and .`);
  return name;
}

function image(text: string): string {
  if (!/^[\w][\w.:/@-]*$/.test(text)) throw new UsageError(`--image ${text}: expected an image such as example.com/spillway:1.0`);
  return text;
}
