/** A `redis` section as the program would connect with it, and the files that it names. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RedisSettings } from '../../src/budgets/client.ts';
import { redisSettings } from '../../src/commands/redis-settings.ts';
import { parseConfig } from '../../src/config/load.ts';

export function settingsOf(redis: object, env: Readonly<Record<string, string>> = {}): RedisSettings {
  const text = JSON.stringify({ models: { m: { provider: 'openai', model: 'm' } }, groups: {}, redis });
  const result = parseConfig(text, 'test.yaml');
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('; '));
  return redisSettings(result.config, env, (path) => readFileSync(path, 'utf8')).redis!;
}

export interface SecretFile {
  readonly path: string;
  /** As Kubernetes does it: never half written. */
  replace(text: string): void;
  remove(): void;
}

export function secretFile(text: string): SecretFile {
  const directory = mkdtempSync(join(tmpdir(), 'spillway-secret-'));
  const path = join(directory, 'secret');
  writeFileSync(path, text);
  return {
    path,
    replace(next) {
      writeFileSync(`${path}.next`, next);
      renameSync(`${path}.next`, path);
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
