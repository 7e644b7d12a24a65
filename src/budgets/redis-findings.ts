/** What is wrong with a Redis, from what it answered. No I/O. */
import { keyTag } from './redis-rules.ts';

export type FindingCode = 'missing-command' | 'missing-key' | 'writes-refused' | 'read-only' | 'eviction' | 'memory' | 'version';

export interface Finding {
  readonly code: FindingCode;
  /** One line each. */
  readonly message: string;
  readonly remedy: string;
}

export interface Facts {
  readonly keyPrefix: string;
  readonly deniedCommands: readonly string[];
  /** What comes behind the prefix. */
  readonly deniedKeys: readonly string[];
  /** Other refusals of the tried commands, in Redis' words. */
  readonly refusals: readonly string[];
  /** INFO's text; empty if it is not allowed. */
  readonly info: string;
}

/** Older ones have been out of support for years. */
const OLDEST: readonly [major: number, minor: number] = [6, 2];
const NEARLY_FULL = 0.9;

const REFUSALS = new Map([
  ['OOM', 'raise maxmemory, or use a Redis of its own'],
  ['MISCONF', 'see in its log why it cannot save to its disk'],
  ['NOREPLICAS', 'bring its replicas back, or lower min-replicas-to-write'],
]);

export function findings(facts: Facts): Finding[] {
  return [...permissions(facts), ...writes(facts), ...memory(facts.info), ...version(facts.info)];
}

/** Redis 6.2 to 8 and Valkey word it differently, at the top and in a script. */
export function denial(text: string): 'command' | 'key' | null {
  if (!/NOPERM|ACL failure|The user executing the script/i.test(text)) return null;
  if (/\brun th(?:e|is)\b/.test(text)) return 'command';
  return /\bkeys?\b/.test(text) ? 'key' : null;
}

function permissions({ keyPrefix, deniedCommands, deniedKeys }: Facts): Finding[] {
  const found: Finding[] = [];
  if (deniedCommands.length > 0) {
    found.push({
      code: 'missing-command',
      message: `the Redis user may not run ${deniedCommands.join(', ')}`,
      remedy: `add ${deniedCommands.map((command) => `+${command}`).join(' ')} to the user's ACL rules`,
    });
  }
  if (deniedKeys.length > 0) {
    const tag = keyTag(keyPrefix);
    found.push({
      code: 'missing-key',
      message: `the Redis user may not read and write ${deniedKeys.map((kind) => `${tag}:${kind}${kind.endsWith(':') ? '*' : ''}`).join(', ')}`,
      remedy: `add ~${tag}:* to the user's ACL rules`,
    });
  }
  return found;
}

function writes({ refusals, info }: Facts): Finding[] {
  if (field(info, 'role') === 'slave' || refusals.some((text) => text.includes('READONLY')))
    return [{ code: 'read-only', message: 'this Redis is a replica and takes no writes', remedy: 'give the address of the master, or the Sentinels instead' }];
  for (const text of refusals) {
    const [why, word] = /\b(OOM|MISCONF|NOREPLICAS)\b[^\r\n]*/.exec(text) ?? [];
    if (why !== undefined) return [{ code: 'writes-refused', message: `Redis takes no writes: ${why}`, remedy: REFUSALS.get(word!)! }];
  }
  return [];
}

function memory(info: string): Finding[] {
  const most = Number(field(info, 'maxmemory') ?? 0);
  const policy = field(info, 'maxmemory_policy');
  if (!(most > 0) || policy === undefined) return [];
  const found: Finding[] = [];
  // All of our keys expire: the volatile policies take them as the others do.
  if (policy !== 'noeviction') {
    found.push({
      code: 'eviction',
      message: `maxmemory-policy is ${policy}: a full Redis forgets budgets, and more is let through than the limits say`,
      remedy: 'set maxmemory-policy to noeviction, or use a Redis of its own',
    });
  }
  const used = Number(field(info, 'used_memory') ?? 0) / most;
  if (used >= NEARLY_FULL) {
    const then = policy === 'noeviction' ? 'a full Redis takes no writes' : 'a full Redis forgets keys that expire, and budgets do';
    found.push({ code: 'memory', message: `Redis uses ${Math.floor(used * 100)} % of its maxmemory: ${then}`, remedy: 'raise maxmemory' });
  }
  return found;
}

function version(info: string): Finding[] {
  const text = field(info, 'redis_version');
  if (text === undefined) return [];
  const [major = 0, minor = 0] = text.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return [];
  return [{ code: 'version', message: `Redis ${text} is older than ${OLDEST.join('.')}`, remedy: `use Redis ${OLDEST.join('.')} or newer, or Valkey` }];
}

function field(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1];
}
