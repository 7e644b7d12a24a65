import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig } from '../../../src/config/load.ts';
import type { Config } from '../../../src/config/types.ts';

const fixture = (name: string): string => readFileSync(join(import.meta.dirname, '../../fixtures/config', name), 'utf8');
const MODELS = 'models:\n  a: { provider: openai, model: x }\n';
const VALID = `${MODELS}groups:\n  g: { models: [a] }\n`;

function config(text: string): Config {
  const result = parseConfig(text, 'f');
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.config;
}

function first(text: string): string {
  const result = parseConfig(text, 'f');
  if (result.ok) return 'ok';
  const [problem] = result.problems;
  return `${problem?.line}:${problem?.column}: ${problem?.message}`;
}

test('defaults are the contract’s', () => {
  const c = config(VALID);
  expect(c.version).toBe(1);
  expect(c.models['a']).toEqual({ provider: 'openai', model: 'x', limits: {}, headers: {}, includeUsage: true, dropParams: false, budget: 'a' });
  expect(c.groups['g']).toEqual({ models: [{ model: 'a', weight: 1 }], balance: 'weighted', fallback: [], contextWindowFallback: [], contentPolicyFallback: [] });
  expect(c.apps).toEqual({});
  expect(c.tasks).toBeUndefined();
  expect(c.redis).toBeUndefined();
  const { policy } = c;
  expect(policy.retry.attempts).toBe(1);
  expect(policy.retry.backoff).toBe(250);
  expect(policy.retry.maxBackoff).toBe(8000);
  expect(policy.retry.honourRetryAfter).toBe(10_000);
  expect(policy.deadline).toBe(600_000);
  expect(policy.maxAttempts).toBe(6);
  expect(policy.timeouts.connect).toBe(5000);
  expect(policy.timeouts.firstToken).toBe(30_000);
  expect(policy.timeouts.idle).toBe(30_000);
  expect(policy.timeouts.total).toBe(600_000);
  expect(policy.breaker.failures).toBe(5);
  expect(policy.breaker.window).toBe(60_000);
  expect(policy.breaker.open).toBe(30_000);
  expect(policy.streamRecovery).toBe('error');
  expect(policy.hedge).toBeNull();
  expect(policy.wait).toBe(0);
  expect(policy.priority).toBe('normal');
  expect(policy.reserve).toBe(0.1);
  expect(c.budgets.enforce).toBe(true);
  expect(c.budgets.outputEstimate).toBe('learned');
  expect(c.budgets.whenRedisIsDown).toBe('share');
  expect(c.budgets.maxPods).toBe(10);
  expect(c.drills).toBe(false);
  expect(c.passthrough.paths).toEqual(['files', 'batches', 'audio', 'images', 'moderations']);
  expect(c.telemetry.prompts).toBe(false);
  expect(c.alerts.failuresPerHour).toBe(5);
  expect(c.alerts.fallbackRate).toBe(0.5);
  expect(c.alerts.webhook).toBeNull();
});

test('defaults of what is absent by default', () => {
  const c = config(`${VALID}redis: { url: { env: REDIS_URL } }\napps: { x: {} }\ntasks: { default: g }\npolicy: { hedge: { after: 3s } }\n`);
  expect(c.redis?.keyPrefix).toBe('spillway');
  expect(c.redis?.timeout).toBe(50);
  expect(c.redis?.db).toBe(0);
  expect(c.apps['x']).toEqual({ limits: {}, whenExhausted: 'refuse' });
  expect(c.tasks?.rules).toEqual([]);
  expect(c.policy.hedge).toEqual({ after: 3000, maxShare: 0.05 });
});

test('the reference states nothing but defaults in its general sections', () => {
  const stated = config(fixture('reference.yaml'));
  const bare = config(VALID);
  for (const key of ['version', 'policy', 'budgets', 'drills', 'passthrough', 'telemetry', 'alerts'] as const) expect(stated[key]).toEqual(bare[key]);
  expect(stated.groups['balanced']?.models).toEqual([{ model: 'prod-claude', weight: 3 }, { model: 'dev-claude', weight: 1 }]);
});

test('the contract’s own file is refused for nothing but the limits of apps', () => {
  const text = fixture('reference.yaml').replace('    limits: {}\n    priority', '    limits: { requestsPerMinute: 600, tokensPerMinute: 200000, costPerDay: 20 }\n    priority');
  const result = parseConfig(text, 'f');
  expect(result.ok ? [] : result.problems.map(({ message }) => message)).toEqual(Array.from({ length: 3 }, () => 'limits of apps are not enforced in this version: remove this limit'));
});

test('the file as a file', () => {
  expect(first('')).toBe('1:1: the file is empty: models and groups are required');
  expect(first(' \n\t\n')).toBe('1:1: the file is empty: models and groups are required');
  expect(first('---\n')).toBe('1:1: expected a mapping, found nothing: fill it in or remove the key');
  expect(first(`\uFEFF${VALID}`)).toBe('1:1: the file begins with a byte order mark: save it as UTF-8 without BOM');
  expect(first('models:\n  \uFFFD: 1\n')).toBe('2:3: not valid UTF-8 here: save the file as UTF-8');
  expect(first(`${VALID}# ${'x'.repeat(1024 * 1024)}`)).toBe('1:1: the file is larger than 1 MiB, the most a ConfigMap can hold');
  expect(first('\t- x')).toMatch(/^1:1: tabs are not allowed/);
  expect(first('null')).toMatch(/^1:1: expected a mapping, found nothing/);
  expect(first('['.repeat(100_000))).toMatch(/^\d+:\d+: .*(nested too deeply|closing)/);
  expect(first(`models: ${'['.repeat(500)}${']'.repeat(500)}`)).toMatch(/nested too deeply/);
});

test('the hash is of the configuration, however it comes', () => {
  const plain = parseConfig(VALID, 'f');
  const inside = `kind: ConfigMap\ndata:\n  other.yaml: |\n${VALID.replace(/^/gm, '    ').trimEnd()}\n`;
  const manifest = parseConfig(inside, 'f', 'other.yaml');
  expect(manifest.ok).toBe(true);
  expect(manifest.hash).toBe(plain.hash);
  expect(plain.hash).toMatch(/^[0-9a-f]{16}$/);
  expect(parseConfig(`${VALID}#`, 'f').hash).not.toBe(plain.hash);
});

test('aliases are read', () => {
  const c = config('models:\n  a: &m { provider: openai, model: x }\n  b: *m\ngroups:\n  g: { models: [a, b] }\n');
  expect(c.models['b']).toEqual({ ...c.models['a'], budget: 'b' });
});

test('names that are numbers keep their writing', () => {
  expect(Object.keys(config('models:\n  1.10: { provider: openai, model: x }\n  "2": { provider: openai, model: x }\ngroups: {}\n').models).toSorted()).toEqual(['1.10', '2']);
});

test('nothing of Object is taken for a name', () => {
  expect(first(`${MODELS}groups:\n  g: { models: [toString], fallback: [hasOwnProperty] }\n`)).toMatch(/there is no model "toString"/);
});

/** Of this process's own work: what others do on the machine is not counted. */
const SECONDS = 8;

test('a large file is judged in reasonable time', () => {
  const many = Array.from({ length: 4000 }, (_, i) => i);
  const text = `models:\n${many.map((i) => `  m${i}: { provider: openai, model: x, limits: { requestsPerMinute: ${i + 1} } }`).join('\n')}\ngroups:\n${many.map((i) => `  g${i}: { models: [m${i}], fallback: [${i > 0 ? `g${i - 1}` : 'm1'}] }`).join('\n')}\n`;
  const begun = process.cpuUsage();
  config(text);
  expect(process.cpuUsage(begun).user / 1e6).toBeLessThan(SECONDS);
});

test('thousands of mistakes are cut short, and say so', () => {
  const begun = process.cpuUsage();
  const lines = Array.from({ length: 1500 }, (_, i) => `  g${i}: { models: [mistake${i}] }`);
  const result = parseConfig(`models:\n${lines.map((_, i) => `  model${i}: { provider: openai, model: x }`).join('\n')}\ngroups:\n${lines.join('\n')}\n`, 'f');
  expect(result.ok ? 0 : result.problems.length).toBe(1001);
  expect(result.ok ? '' : result.problems.at(-1)?.message).toBe('and 500 more mistakes after this one');
  expect(process.cpuUsage(begun).user / 1e6).toBeLessThan(SECONDS);
});
