/** Tries, harmlessly, what the engine needs of this Redis, and tells what would go wrong. */
import type { RedisClient } from './commands.ts';
import { denial, findings, type Finding } from './redis-findings.ts';
import { KEY, KEY_KINDS, keyTag, SCRIPT_COMMANDS } from './redis-rules.ts';
import { realTimers, type Timers } from './timers.ts';

export type { Finding } from './redis-findings.ts';

/**
 * Only a script is sent to the node that has the keys, in a cluster too; so all is asked in one. ARGV: the words of a
 * command behind their number, and so on. Answers an error or an empty text for each, then INFO's sections.
 */
const TRIAL = `
local answers = {}
local at = 1
while at <= #ARGV do
  local words = tonumber(ARGV[at])
  local answer = redis.pcall(unpack(ARGV, at + 1, at + words))
  answers[#answers + 1] = type(answer) == 'table' and answer.err or ''
  at = at + words + 1
end
for _, section in ipairs({'server', 'memory', 'replication'}) do
  local answer = redis.pcall('info', section)
  answers[#answers + 1] = type(answer) == 'string' and answer or ''
end
return answers`;

const NO_SUCH_SCRIPT = '0'.repeat(40);

/** Rejects when Redis cannot be asked. */
export async function checkRedis(client: RedisClient, keyPrefix: string): Promise<Finding[]> {
  const tag = keyTag(keyPrefix);
  const keys = KEY_KINDS.map((kind) => `${tag}:${kind}`);
  const refusals: string[] = [];
  // One by one: the first may have to connect to its node, and others would be turned away meanwhile.
  for (const key of keys) refusals.push(await refusal(client.eval('return 1', 1, key)));
  const deniedKeys = KEY_KINDS.filter((_, i) => denial(refusals[i]!) === 'key');
  const deniedCommands: string[] = [];
  if (refusals.some((text) => denial(text) === 'command')) deniedCommands.push('eval');
  if (denial(await refusal(client.evalsha(NO_SUCH_SCRIPT, 1, keys[0]!))) === 'command') deniedCommands.push('evalsha');
  const [node] = 'nodes' in client ? client.nodes('master') : [];
  if (node && denial(await refusal(node.call('asking'))) === 'command') deniedCommands.push('asking');

  const allowed = keys.find((_, i) => denial(refusals[i]!) === null);
  let trial: string[] = [];
  if (allowed !== undefined) trial = (await client.eval(TRIAL, 1, allowed, ...tried(`${tag}:check`))) as string[];
  const names = Object.keys(SCRIPT_COMMANDS);
  const errors = trial.slice(0, names.length);
  deniedCommands.push(...names.filter((_, i) => denial(errors[i] ?? '') === 'command'));
  return findings({ keyPrefix, deniedCommands, deniedKeys, refusals: errors, info: trial.slice(names.length).join('\n') });
}

export interface WatchOptions {
  readonly client: RedisClient;
  readonly keyPrefix: string;
  /** Called when the findings are others than before; with none when all is well again. */
  readonly onFindings: (findings: readonly Finding[]) => void;
  readonly timers?: Timers;
  readonly clock?: () => number;
}

const ONCE_PER_MS = 60_000;

/** Behind the first requests: in a cluster a node that is just being connected to turns others away. */
const DELAY_MS = 1_000;

/** Checks each new connection in the background, at most once a minute. Answers how to end it. */
export function watchRedis({ client, keyPrefix, onFindings, timers = realTimers, clock = () => performance.now() }: WatchOptions): () => void {
  let last = JSON.stringify([]);
  let next = -Infinity;
  let stopped = false;
  let cancel: (() => void) | undefined;
  const check = async (): Promise<void> => {
    cancel = undefined;
    if (client.status !== 'ready') return;
    next = clock() + ONCE_PER_MS;
    try {
      const found = await checkRedis(client, keyPrefix);
      const text = JSON.stringify(found);
      if (text === last || stopped) return;
      last = text;
      onFindings(found);
    } catch {
      // That Redis is away is told by others.
      later();
    }
  };
  const later = (): void => {
    if (!stopped) cancel ??= timers.after(Math.max(DELAY_MS, next - clock()), () => void check());
  };
  client.on('ready', later);
  // A cluster is ready once; that another node answers for a slot is seen by its new connection.
  if (client.isCluster) client.on('+node', later);
  if (client.status === 'ready') later();
  return () => {
    stopped = true;
    client.off('ready', later);
    client.off('+node', later);
    cancel?.();
  };
}

function tried(key: string): string[] {
  const words: string[] = [];
  for (const [name, args] of Object.entries(SCRIPT_COMMANDS)) {
    words.push(String(args.length + 1), name);
    for (const argument of args) words.push(argument === KEY ? key : argument);
  }
  return words;
}

/** Redis' refusal, or an empty text. Rejects when it did not answer. */
async function refusal(answer: Promise<unknown>): Promise<string> {
  try {
    await answer;
    return '';
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return error.message;
    throw error;
  }
}
