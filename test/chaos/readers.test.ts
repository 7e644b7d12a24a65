/** Who reads what a sidecar says may stall or go away: it serves on, and stops when it is told to. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { chat, closeConnections, get } from './client.ts';
import { configText, directory, type Directory } from './setup.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const UNREACHABLE = 'http://127.0.0.1:9';
/** It stands in each line of the log. */
const APP = 'app'.repeat(20);

/** As Node says, once, of odd request targets that reach Express in the bundle. */
const WARNING = "process.on('SIGUSR2', () => process.emitWarning('as Node does'));";

let files: Directory;
let sidecar: ChildProcessByStdio<null, Readable, Readable>;

beforeAll(async () => {
  files = await directory();
});

afterEach(() => void sidecar.kill('SIGKILL'));

afterAll(async () => {
  closeConnections();
  await files.remove();
});

/** @returns the addresses of the apps' port and of the admin port; nothing is read from here on */
async function start(): Promise<{ url: string; admin: string }> {
  const config = await files.write('spillway.yaml', configText({ models: { m: { url: UNREACHABLE } }, groups: { [APP]: { models: ['m'] } } }));
  const args = [MAIN, 'serve', '--config', config, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
  sidecar = spawn(process.execPath, args, { env: { UPSTREAM_KEY: 'a-key', NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(WARNING)}` }, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  while (!text.includes('"ready"')) text += String(((await once(sidecar.stdout, 'data')) as [Buffer])[0]);
  const [, listen, admin] = /"listen":\["([^"]+)"\],"admin":"([^"]+)"/.exec(text)!;
  return { url: `http://${listen}`, admin: `http://${admin}` };
}

async function stopped(): Promise<unknown> {
  const exit = once(sidecar, 'exit');
  sidecar.kill('SIGTERM');
  return exit;
}

test('a log that nobody reads any more does not keep it', async () => {
  const { url } = await start();
  sidecar.stdout.pause();
  // Much more than a pipe holds.
  const one = async (): Promise<void> => {
    for (let nth = 0; nth < 50; nth++) expect((await chat(url, { model: APP })).status).toBeGreaterThanOrEqual(500);
  };
  await Promise.all(Array.from({ length: 20 }, one));
  expect(await stopped()).toEqual([0, null]);
});

test('without any reader it serves on, whatever Node itself has to say', async () => {
  const { url, admin } = await start();
  sidecar.stdout.destroy();
  sidecar.stderr.destroy();
  sidecar.kill('SIGUSR2');
  for (let nth = 0; nth < 10; nth++) expect((await get(`${admin}/livez`)).status).toBe(200);
  expect((await chat(url, { model: APP })).status).toBe(502);
  expect(await stopped()).toEqual([0, null]);
});
