/** What the check of Redis concludes from answers, and that it tries every command of the scripts. */
import { expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { denial, findings, type Facts } from '../../../src/budgets/redis-findings.ts';
import { aclRules, KEY_KINDS, SCRIPT_COMMANDS } from '../../../src/budgets/redis-rules.ts';

const well: Facts = { keyPrefix: 'p', deniedCommands: [], deniedKeys: [], refusals: [], info: '' };
const info = (...lines: string[]) => ({ ...well, info: lines.join('\r\n') });
const codes = (facts: Facts) => findings(facts).map(({ code }) => code);

test.each([
  ["NOPERM this user has no permissions to run the 'get' command", 'command'],
  ["NOPERM User app has no permissions to run the 'get' command", 'command'],
  ["NOPERM this user has no permissions to run the 'get' command or its subcommand", 'command'],
  ["ERR The user executing the script can't run this command or subcommand", 'command'],
  ["ERR ACL failure in script: User keys has no permissions to run the 'get' command", 'command'],
  ['NOPERM this user has no permissions to access one of the keys used as arguments', 'key'],
  ['NOPERM No permissions to access a key', 'key'],
  ["ERR The user executing the script can't access at least one of the keys mentioned in the command arguments", 'key'],
  ['ERR ACL failure in script: No permissions to access a key', 'key'],
  ['NOPERM No permissions to access database', null],
  ['ERR value is not an integer or out of range', null],
  ['', null],
])('%s: %s', (text, kind) => {
  expect(denial(text)).toBe(kind);
});

test('permissions are named, with the rules that are missing', () => {
  const found = findings({ ...well, deniedCommands: ['eval', 'zadd'], deniedKeys: ['rsv', 'u:'] });
  expect(found).toEqual([
    { code: 'missing-command', message: 'the Redis user may not run eval, zadd', remedy: "add +eval +zadd to the user's ACL rules" },
    { code: 'missing-key', message: 'the Redis user may not read and write {p}:rsv, {p}:u:*', remedy: "add ~{p}:* to the user's ACL rules" },
  ]);
});

test('eviction counts when there is a limit', () => {
  const full = (policy: string, used: string) => info('used_memory:' + used, 'maxmemory:1000', `maxmemory_policy:${policy}`);
  expect(codes(info('maxmemory:0', 'maxmemory_policy:allkeys-lru'))).toEqual([]);
  expect(codes(full('allkeys-lfu', '10'))).toEqual(['eviction']);
  expect(codes(full('noeviction', '899'))).toEqual([]);
  expect(codes(full('volatile-ttl', '899'))).toEqual(['eviction']);
  expect(findings(full('noeviction', '900'))[0]!.message).toBe('Redis uses 90 % of its maxmemory: a full Redis takes no writes');
  expect(findings(full('volatile-ttl', '950'))[1]!.message).toMatch(/95 % .*: a full Redis forgets keys that expire, and budgets do/);
  expect(codes(full('allkeys-random', '1200'))).toEqual(['eviction', 'memory']);
});

test('refused writes, replicas and old versions', () => {
  const refused = (text: string) => findings({ ...well, refusals: ['', 'ERR value is not an integer', text] });
  expect(refused("READONLY You can't write against a read only replica.")).toMatchObject([{ code: 'read-only' }]);
  expect(refused('MISCONF Redis is configured to save')).toMatchObject([{ code: 'writes-refused', remedy: expect.stringContaining('disk') }]);
  expect(refused('-OOM command not allowed')).toMatchObject([{ message: 'Redis takes no writes: OOM command not allowed' }]);
  expect(refused('ERR another')).toEqual([]);
  expect(codes(info('role:slave'))).toEqual(['read-only']);
  expect(codes(info('role:master', 'redis_version:6.2.0'))).toEqual([]);
  expect(codes(info('redis_version:7.0.15'))).toEqual([]);
  expect(findings(info('redis_version:6.0.16'))).toMatchObject([{ code: 'version', message: 'Redis 6.0.16 is older than 6.2' }]);
  expect(codes(info('redis_version:255.255.255'))).toEqual([]);
});

test('every finding is one line', () => {
  const all = { ...well, deniedCommands: ['a'], deniedKeys: ['u:'], refusals: ['OOM no\r\nmore'], info: 'redis_version:2.8\r\nmaxmemory:1\r\nmaxmemory_policy:allkeys-lru\r\nused_memory:5' };
  expect(codes(all)).toEqual(['missing-command', 'missing-key', 'writes-refused', 'eviction', 'memory', 'version']);
  for (const { message, remedy } of findings(all)) expect(message + remedy).not.toMatch(/[\r\n]/);
});

test('the rules are those of the scripts', () => {
  const folder = new URL('../../../src/budgets/lua/', import.meta.url);
  const used = new Set<string>();
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.lua')) continue;
    const text = readFileSync(new URL(name, folder), 'utf8');
    for (const [, command] of text.matchAll(/\w\(\s*['"]([A-Z]{3,})['"]/g)) used.add(command!.toLowerCase());
  }
  expect(Object.keys(SCRIPT_COMMANDS).sort()).toEqual([...used].sort());
  const rules = aclRules('spillway', { cluster: true, select: true });
  expect(rules).toEqual(expect.arrayContaining(['+eval', '+evalsha', '+hset', '+cluster|slots', '+asking', '+select', '~{spillway}:*']));
  expect(KEY_KINDS).toContain('rsv');
});
