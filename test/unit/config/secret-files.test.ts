import { expect, test } from '@jest/globals';
import { parseConfig } from '../../../src/config/load.ts';
import { SecretFiles, type InUse } from '../../../src/config/sources/secret-files.ts';
import type { Config } from '../../../src/config/types.ts';

const A = 'a: { provider: openai, model: m, apiKey: { file: /keys/a } }';
const SAME = 'same: { provider: openai, model: m, apiKey: { file: /keys/a } }';
const MOVED = 'a: { provider: openai, model: m, apiKey: { file: /keys/moved } }';
const B = 'b: { provider: openai, model: m, apiKey: { env: B } }';

function configOf(...models: string[]): Config {
  const result = parseConfig(`version: 1\nmodels:\n${models.map((model) => `  ${model}\n`).join('')}groups:\n  g: { models: [b] }\n`, 'x');
  if (!result.ok) throw new Error('the configuration of this test is wrong');
  return result.config;
}

/** A keeper of configurations as small as can be. */
function setUp(key: string | null = 'one') {
  const files = new Map(key === null ? [] : [['/keys/a', key]]);
  const problems: [string, string, boolean][] = [];
  let inUse: InUse | undefined;
  let changes = 0;
  const secrets = new SecretFiles({
    inUse: () => inUse,
    env: { B: 'from-env' },
    readText: (path) => {
      const found = files.get(path);
      if (found === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
      return found;
    },
    onChange: () => {
      changes++;
      inUse = built(inUse!.config);
    },
    onProblem: (model, { message }, kept) => problems.push([model, message, kept]),
  });
  const built = (config: Config): InUse => {
    const keys = new Map<string, string>();
    for (const [name, { apiKey }] of Object.entries(config.models)) {
      const found = apiKey && secrets.key(name, apiKey);
      if (found !== undefined) keys.set(name, found);
    }
    return { config, keys };
  };
  inUse = built(configOf(A, B));
  return {
    files,
    problems,
    keys: () => Object.fromEntries(inUse!.keys),
    edit: (...models: string[]) => void (inUse = built(configOf(...models))),
    /** An edit that is refused when its keys were read already. */
    refused: (...models: string[]) => void built(configOf(...models)),
    look: () => {
      secrets.look();
      return changes;
    },
  };
}

const GONE = 'the file /keys/a does not exist';

test('a key that was replaced is told once, one that stays is not', () => {
  const { files, look, keys, problems } = setUp();
  expect(look()).toBe(0);
  files.set('/keys/a', 'two\n');
  expect([look(), look()]).toEqual([1, 1]);
  expect(keys()).toEqual({ a: 'two', b: 'from-env' });
  // Another end of the line is the same key.
  files.set('/keys/a', 'two\r\n');
  expect(look()).toBe(1);
  expect(problems).toEqual([]);
});

test('a file that is gone for a moment is no change, unless it comes back with another key', () => {
  const { files, look, problems } = setUp();
  files.delete('/keys/a');
  expect([look(), look()]).toEqual([0, 0]);
  expect(problems).toEqual([['a', GONE, true]]);
  files.set('/keys/a', 'one');
  expect(look()).toBe(0);
  files.delete('/keys/a');
  look();
  files.set('/keys/a', 'two');
  expect(look()).toBe(1);
  expect(problems).toHaveLength(2);
});

test('a file that comes only after the start is told once', () => {
  const { files, look, keys, problems } = setUp(null);
  expect([look(), look()]).toEqual([0, 0]);
  expect(problems).toEqual([['a', GONE, false]]);
  files.set('/keys/a', 'one');
  expect([look(), look()]).toEqual([1, 1]);
  expect(keys()).toMatchObject({ a: 'one' });
});

test('an edit while a file is away keeps its key, for every model that names that file', () => {
  const { files, look, keys, edit, problems } = setUp();
  files.delete('/keys/a');
  edit(A, SAME, B);
  edit(SAME, B);
  edit(A, B);
  expect(keys()).toEqual({ a: 'one', b: 'from-env' });
  expect(new Set(problems.map(([, , kept]) => kept))).toEqual(new Set([true]));
  files.set('/keys/a', 'one');
  expect(look()).toBe(0);
});

test('a model that is sent to another file does not take its key along', () => {
  const { files, look, keys, edit } = setUp();
  edit(MOVED, B);
  expect(keys()).toEqual({ b: 'from-env' });
  files.set('/keys/moved', 'its own');
  expect(look()).toBe(1);
  expect(keys()).toMatchObject({ a: 'its own' });
});

test('a key that an edit read and that did not come into force is not taken for the one in use', () => {
  const { files, look, keys, refused } = setUp();
  files.set('/keys/a', 'two');
  refused(A, B);
  expect(keys()).toMatchObject({ a: 'one' });
  expect(look()).toBe(1);
  expect(keys()).toMatchObject({ a: 'two' });
});

test('a file that is half written leaves the key in use, which is told once without what is in it', () => {
  const { files, look, keys, problems } = setUp();
  files.set('/keys/a', '');
  expect([look(), look()]).toEqual([0, 0]);
  files.set('/keys/a', 'tw\no');
  expect([look(), look()]).toEqual([0, 0]);
  expect(keys()).toMatchObject({ a: 'one' });
  expect(problems).toEqual([
    ['a', 'the file /keys/a is empty', true],
    ['a', 'the file /keys/a holds a line break or another control character', true],
  ]);
  files.set('/keys/a', 'two');
  expect(look()).toBe(1);
});
