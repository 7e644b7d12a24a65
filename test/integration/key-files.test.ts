/** Keys in files that come, go and change while the configuration is edited. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStack, until, type Stack } from '../support/stack.ts';

let path: string;
let stack: Stack;
let edit: (...models: string[]) => void;
let edits: number;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'spillway-keys-'));
  edits = 0;
});

afterEach(() => rm(path, { recursive: true, force: true }));

const file = (name: string) => join(path, name);
const put = (name: string, key: string) => writeFile(file(name), `${key}\n`);
const away = (name: string) => rename(file(name), file(`${name}.away`));
const back = (name: string) => rename(file(`${name}.away`), file(name));

async function begin(keyFilesMs: number, ...models: string[]): Promise<void> {
  let take: (text: string) => void = () => undefined;
  let url = 'http://127.0.0.1:1';
  const text = (names: readonly string[]): string =>
    JSON.stringify({
      models: Object.fromEntries(names.map((name) => [name, { provider: 'openai', model: name, baseUrl: `${url}/v1`, apiKey: { file: file(name) } }])),
      // Any edit will do.
      policy: { maxAttempts: 1 + (edits++ % 9), retry: { attempts: 0 } },
      groups: { g: { models: names.slice(0, 1) } },
    });
  const source = {
    name: 'spillway.yaml',
    open: (onText: (given: string) => void): Promise<void> => {
      take = onText;
      return Promise.resolve(onText(text(models)));
    },
    close: () => undefined,
  };
  stack = await startStack({ sidecar: { source, keyFilesMs } });
  url = stack.sim.url;
  edit = (...names) => take(text(names));
  // The simulator's address is known only now.
  edit(...models);
}

/** The key that the model is asked with; its status if it is not asked. */
async function keyOf(model: string): Promise<string> {
  const before = stack.sim.log.length;
  const answer = await fetch(`${stack.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] }),
  });
  await answer.text();
  return answer.status === 200 ? String(stack.sim.log[before]!.headers['authorization']).replace('Bearer ', '') : String(answer.status);
}

const SOON = 10;
/** Long enough for an edit and two requests before it. */
const LATER = 500;
const NEVER = 3_600_000;

test('an edit while the file of a key is away leaves the key in use, and one that comes back changed is taken', async () => {
  await put('a', 'sk-secret-a1');
  await begin(SOON, 'a');
  await away('a');
  edit('a');
  expect(await keyOf('a')).toBe('sk-secret-a1');
  await back('a');
  edit('a');
  expect(await keyOf('a')).toBe('sk-secret-a1');
  await away('a');
  edit('a');
  await put('a', 'sk-secret-a2');
  await until(async () => (await keyOf('a')) === 'sk-secret-a2', 'the new key is used');
  expect(stack.log.join('')).not.toContain('sk-secret');
});

test('another key that is replaced while a file is away costs no model its key', async () => {
  await put('a', 'sk-secret-a1');
  await put('b', 'sk-secret-b1');
  await begin(SOON, 'a', 'b');
  await away('b');
  await put('a', 'sk-secret-a2');
  await until(async () => (await keyOf('a')) === 'sk-secret-a2', 'the new key is used');
  expect(await keyOf('b')).toBe('sk-secret-b1');
  await back('b');
  expect(await keyOf('b')).toBe('sk-secret-b1');
});

test('a file that comes, or is replaced, between an edit that names it and the first look is taken', async () => {
  await put('a', 'sk-secret-a1');
  await put('d', 'sk-secret-d1');
  await begin(LATER, 'a');
  edit('a', 'c', 'd');
  const asked = await keyOf('c');
  await put('c', 'sk-secret-c1');
  await put('d', 'sk-secret-d2');
  expect(asked).toBe('502');
  await until(async () => (await keyOf('c')) === 'sk-secret-c1', 'the key that came is used');
  await until(async () => (await keyOf('d')) === 'sk-secret-d2', 'the key that was replaced is used');
});

test('a key in use is that of its own file: a model whose file is not there has none', async () => {
  await put('a', 'sk-secret-a1');
  await begin(NEVER, 'a');
  await away('a');
  edit('a', 'b');
  expect([await keyOf('a'), await keyOf('b')]).toEqual(['sk-secret-a1', '502']);
});
