/** Edits of a real file, in each of the ways they happen. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, open, readlink, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { watchFile, type Watching } from '../../src/config/sources/file.ts';

let directory = '';
let watching: Watching | undefined;
let texts: string[] = [];
let errors: string[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spillway-watch-'));
  texts = [];
  errors = [];
});

afterEach(async () => {
  watching?.close();
  await rm(directory, { recursive: true, force: true });
});

function begin(path: string, pollMs?: number): void {
  watching = watchFile(path, {
    onText: (text) => texts.push(text),
    onError: ({ code }) => errors.push(String(code)),
    ...(pollMs === undefined ? {} : { pollMs }),
  });
}

/** Whatever brings it must do so at all: where only polling could be late, `begin` says how often it polls. */
async function until(holds: () => boolean, ms = 10_000): Promise<number> {
  const began = performance.now();
  while (!holds() && performance.now() - began < ms) await pause(5);
  expect({ holds: holds(), texts, errors }).toMatchObject({ holds: true });
  return performance.now() - began;
}

const last = (text: string) => () => texts.at(-1) === text;

async function swap(content: string): Promise<void> {
  const data = join(directory, `..${Math.random()}`);
  await mkdir(data);
  await writeFile(join(data, 'spillway.yaml'), content);
  await symlink(data, join(directory, '..data_tmp'));
  const before = await readlink(join(directory, '..data')).catch(() => undefined);
  await rename(join(directory, '..data_tmp'), join(directory, '..data'));
  if (before !== undefined) await rm(before, { recursive: true });
}

// With a poll that never comes, and with polling only: each must do alone.
describe.each([['by watching', 600_000], ['by both', 500]])('%s', (_, pollMs) => {
  test('the kubelet’s swap', async () => {
    await swap('one');
    await symlink(join('..data', 'spillway.yaml'), join(directory, 'spillway.yaml'));
    begin(join(directory, 'spillway.yaml'), pollMs);
    await until(last('one'));
    await swap('two');
    await until(last('two'));
    await swap('three');
    await until(last('three'));
    expect({ texts, errors }).toEqual({ texts: ['one', 'two', 'three'], errors: [] });
  });

  test('an editor’s rename over the file', async () => {
    const path = join(directory, 'spillway.yaml');
    await writeFile(path, 'one');
    begin(path, pollMs);
    await until(last('one'));
    for (const text of ['two', 'three']) {
      await writeFile(join(directory, '.spillway.swp'), text);
      await rename(join(directory, '.spillway.swp'), path);
      await until(last(text));
    }
    expect(texts).toEqual(['one', 'two', 'three']);
  });

  test('a write in place, in halves', async () => {
    const path = join(directory, 'spillway.yaml');
    await writeFile(path, 'one');
    begin(path, pollMs);
    await until(last('one'));
    const file = await open(path, 'w');
    await file.write('half, ');
    await pause(60);
    await file.write('whole');
    await file.close();
    await until(last('half, whole'));
  });

  test('the same content again, and other files, are nothing new', async () => {
    const path = join(directory, 'spillway.yaml');
    await writeFile(path, 'one');
    begin(path, pollMs);
    await until(last('one'));
    await writeFile(path, 'one');
    await utimes(path, 1, 1);
    await writeFile(join(directory, 'other.yaml'), 'x');
    await pause(150);
    expect(texts).toEqual(['one']);
  });
});

test('a deleted file is one error, and is picked up when it returns', async () => {
  const path = join(directory, 'spillway.yaml');
  await writeFile(path, 'one');
  begin(path, 50);
  await until(last('one'));
  await rm(path);
  await until(() => errors.length > 0);
  await pause(200);
  expect(errors).toEqual(['ENOENT']);
  await writeFile(path, 'one');
  // Told again, although it is the same: whoever was told of the error must hear that it is over.
  await until(() => texts.length === 2);
  expect(texts).toEqual(['one', 'one']);
  await writeFile(path, 'two');
  await until(last('two'));
  await rm(path);
  await until(() => errors.length === 2);
});

test('a directory that is not there yet, goes away and comes back', async () => {
  const inner = join(directory, 'etc');
  const path = join(inner, 'spillway.yaml');
  begin(path, 100);
  await until(() => errors.length === 1);
  for (const text of ['one', 'two']) {
    await mkdir(inner);
    await writeFile(path, text);
    await until(last(text));
    // Watched again: faster than the poll would be on average is not to be asserted, a change of content is.
    await writeFile(path, `${text}!`);
    await until(last(`${text}!`));
    await rm(inner, { recursive: true });
    await until(() => errors.length === (text === 'one' ? 2 : 3));
  }
  expect(errors).toEqual(['ENOENT', 'ENOENT', 'ENOENT']);
});

test('a link to a file elsewhere is noticed by polling, even with the same size and time', async () => {
  const elsewhere = join(directory, 'elsewhere');
  const watched = join(directory, 'watched');
  await mkdir(elsewhere);
  await mkdir(watched);
  const real = join(elsewhere, 'real');
  await writeFile(real, 'one');
  await utimes(real, 5, 5);
  await symlink(real, join(watched, 'spillway.yaml'));
  begin(join(watched, 'spillway.yaml'));
  await until(last('one'));
  await writeFile(real, 'two');
  await utimes(real, 5, 5);
  // One poll; without the file's other times it would be read again only at the fourth, after 2 s.
  expect(await until(last('two'))).toBeLessThan(1_500);
});

test('nothing after close', async () => {
  const path = join(directory, 'spillway.yaml');
  await writeFile(path, 'one');
  begin(path, 20);
  await until(last('one'));
  watching?.close();
  watching?.close();
  await writeFile(path, 'two');
  await rm(path);
  await pause(120);
  expect({ texts, errors }).toEqual({ texts: ['one'], errors: [] });
});
