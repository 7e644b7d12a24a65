import { expect, test } from '@jest/globals';
import { parseConfig } from '../../../src/config/load.ts';
import { SecretFiles } from '../../../src/config/sources/secret-files.ts';

function setUp(key: string | null = 'one'): { files: Map<string, string>; look: () => number } {
  const text = 'version: 1\nmodels:\n  a: { provider: openai, model: m, apiKey: { file: /keys/a } }\n  b: { provider: openai, model: m, apiKey: { env: B } }\ngroups:\n  g: { models: [a], fallback: [b] }\n';
  const result = parseConfig(text, 'x');
  if (!result.ok) throw new Error('the configuration of this test is wrong');
  const files = new Map(key === null ? [] : [['/keys/a', key]]);
  let changes = 0;
  const secrets = new SecretFiles({
    config: () => result.config,
    readText: (path) => {
      const found = files.get(path);
      if (found === undefined) throw new Error('ENOENT');
      return found;
    },
    onChange: () => changes++,
  });
  return {
    files,
    look: () => {
      secrets.look();
      return changes;
    },
  };
}

test('a key that was replaced is told once, one that stays is not', () => {
  const { files, look } = setUp();
  expect(look()).toBe(0);
  files.set('/keys/a', 'two');
  expect([look(), look()]).toEqual([1, 1]);
});

test('a file that is gone for a moment is no change, unless it comes back with another key', () => {
  const { files, look } = setUp();
  files.delete('/keys/a');
  expect(look()).toBe(0);
  files.set('/keys/a', 'one');
  expect(look()).toBe(0);
  files.delete('/keys/a');
  look();
  files.set('/keys/a', 'two');
  expect(look()).toBe(1);
});

test('a file that comes only after the start is told once', () => {
  const { files, look } = setUp(null);
  expect(look()).toBe(0);
  files.set('/keys/a', 'one');
  expect([look(), look()]).toEqual([1, 1]);
});
