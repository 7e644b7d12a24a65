/** What the Redis user must be allowed: the check tries it, the documentation prints it. */

/** Stands for a key that does not exist. */
export const KEY = Symbol('key');

type Argument = string | typeof KEY;

/**
 * Every command of the scripts, with arguments that get past the permissions and then change nothing: a write is given
 * something that Redis refuses (an odd number of fields, a word for a number). Those that need memory come first: behind
 * another write of the same script Redis no longer asks whether there is any.
 */
export const SCRIPT_COMMANDS: Readonly<Record<string, readonly Argument[]>> = {
  hset: [KEY, 'no', 'no', 'no'],
  zadd: [KEY, 'no number', 'no'],
  time: [],
  hdel: [KEY, 'no'],
  hget: [KEY, 'no'],
  hgetall: [KEY],
  hmget: [KEY, 'no'],
  pexpire: [KEY, 'no number'],
  zcount: [KEY, '1', '0'],
  zrange: [KEY, '1', '0'],
  zrangebyscore: [KEY, '1', '0'],
  zrem: [KEY, 'no'],
  zremrangebyscore: [KEY, '1', '0'],
  zscore: [KEY, 'no'],
};

/** What comes behind `{prefix}:`. */
export const KEY_KINDS = ['rsv', 'lease', 'pods', 'grants', 'u:', 'c:', 'm:'] as const;

export const CLUSTER_COMMANDS = ['cluster|slots', 'cluster|info', 'asking'] as const;

export interface AclRulesOptions {
  readonly cluster?: boolean;
  /** A database other than 0. */
  readonly select?: boolean;
}

/** For ACL SETUSER. Without +info it works too, but says nothing of memory and replicas. */
export function aclRules(keyPrefix: string, { cluster = false, select = false }: AclRulesOptions = {}): string[] {
  const commands = ['eval', 'evalsha', ...Object.keys(SCRIPT_COMMANDS), 'info'];
  if (cluster) commands.push(...CLUSTER_COMMANDS);
  if (select) commands.push('select');
  return [...commands.map((command) => `+${command}`), `~${keyTag(keyPrefix)}:*`];
}

export function keyTag(keyPrefix: string): string {
  return `{${keyPrefix}}`;
}
