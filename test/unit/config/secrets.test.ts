import { expect, test } from '@jest/globals';
import { parseConfig } from '../../../src/config/load.ts';
import { checkSecrets, references, resolveKey, resolveSecret } from '../../../src/config/secrets.ts';

const none = (): string => {
  throw Object.assign(new Error('secret text'), { code: 'ENOENT' });
};

function failure(run: () => unknown): { name?: string; message?: string } {
  try {
    run();
  } catch (error) {
    return error as { name?: string; message?: string };
  }
  return {};
}

test('values come from the environment or a file, without its last line break', () => {
  expect(resolveSecret({ env: 'KEY' }, { KEY: 'v' }, none)).toBe('v');
  expect(resolveSecret({ file: '/k' }, {}, () => 'v\n')).toBe('v');
  expect(resolveSecret({ file: '/k' }, {}, () => 'v\r\n')).toBe('v');
});

test('what is wrong names the place and never the content', () => {
  expect(failure(() => resolveSecret({ env: 'KEY' }, {}, none))).toMatchObject({ name: 'SecretError', code: 'SECRET', message: 'the environment variable KEY is not set' });
  expect(failure(() => resolveSecret({ env: 'toString' }, {}, none)).message).toBe('the environment variable toString is not set');
  expect(failure(() => resolveSecret({ env: 'KEY' }, { KEY: '' }, none)).message).toBe('the environment variable KEY is empty');
  expect(failure(() => resolveSecret({ file: '/k' }, {}, none)).message).toBe('the file /k does not exist');
  expect(failure(() => resolveSecret({ file: '/k' }, {}, () => 'a\nb\n')).message).toBe('the file /k holds a line break or another control character');
});

test('a key that no header can carry is refused without showing it; what an editor leaves around one is taken off', () => {
  const asFile = (text: string) => resolveKey({ file: '/k' }, {}, () => text);
  const asVariable = (text: string) => resolveKey({ env: 'KEY' }, { KEY: text }, none);
  for (const around of ['sk-é', '\uFEFFsk-é', '\uFEFFsk-é\r\n', ' \tsk-é \n\n', 'sk-é\n']) {
    expect([asFile(around), asVariable(around)]).toEqual(['sk-é', 'sk-é']);
  }
  for (const inside of ['sk\u2013proj', 'sk-\uFEFFproj', 'sk-\u{1F600}', 'sk-\uFFFD']) {
    expect(failure(() => asFile(inside)).message).toMatch(/^the file \/k holds a character that no header can carry/);
    expect(failure(() => asVariable(inside))).toMatchObject({ name: 'SecretError', message: expect.stringMatching(/^the environment variable KEY holds a character/) });
    expect(failure(() => asFile(inside)).message).not.toMatch(/sk|proj/);
  }
  expect(failure(() => asFile('a\nb')).message).toBe('the file /k holds a line break or another control character');
  expect(failure(() => asVariable('a\tb')).message).toBe('the environment variable KEY holds a line break or another control character');
  for (const nothing of ['', ' \n', '\uFEFF']) expect(failure(() => asFile(nothing)).message).toBe('the file /k is empty');
});

test('a password of Redis is no header: it may hold anything but control characters', () => {
  expect(resolveSecret({ env: 'KEY' }, { KEY: ' pass\u2013wörd ' }, none)).toBe(' pass\u2013wörd ');
});

test('missing variables are listed with the keys that name them', () => {
  const result = parseConfig(
    `models:
  a: { provider: openai, model: x, apiKey: { env: SET } }
  b: { provider: openai, model: x, apiKey: { env: UNSET } }
groups: {}
redis: { host: redis, password: { file: /p }, username: { env: USER_UNSET } }
alerts: { webhook: { env: EMPTY } }
`,
    'f',
  );
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  expect(checkSecrets(result.config, { SET: 'v', EMPTY: '' })).toEqual([
    { path: 'models.b.apiKey', message: 'the environment variable UNSET is not set' },
    { path: 'redis.username', message: 'the environment variable USER_UNSET is not set' },
    { path: 'alerts.webhook', message: 'the environment variable EMPTY is not set' },
  ]);
  expect(references(result.config)).toHaveLength(5);
});
