/** What watching costs above reading a file, in a process of its own: its modules, its connection, and the first MiB. */
import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { kubernetes } from '../../support/kube-api-setup.ts';

const setup = kubernetes();
const run = promisify(execFile);

/** The bundle costs about 13. */
const MOST_MB = 25;

const url = (path: string): string => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href);
const MEASURE = `
import { watchFile } from ${url('config/sources/file.ts')};
import { configMapSource } from ${url('config/sources/configmap.ts')};
import 'node:https'; import 'node:http2';
import ${url('upstream/dispatchers.ts')};
import ${url('config/load.ts')};
const log = { info() {}, warn() {}, error: console.error };
const watching = watchFile(process.argv[1], { onText() {}, onError() {} });
const source = configMapSource({ namespace: 'shop', name: 'spillway', key: 'spillway.yaml' }, { env: process.env, log });
if (process.argv[2] === 'api') await source.open(() => undefined, console.error);
await new Promise((resolve) => { setTimeout(resolve, 300); });
globalThis.gc();
process.stdout.write(String(process.memoryUsage.rss()));
source.close();
watching.close();
`;

test('at most 25 MB, and its chunk is loaded by no other mode', async () => {
  const { api, account, env } = setup();
  api.edit('x'.repeat(100_000));
  const megabytes = async (mode: 'file' | 'api'): Promise<number> => {
    const args = ['--expose-gc', '--max-semi-space-size=4', '--input-type=module', '-e', MEASURE, account.path('namespace'), mode];
    const { stdout } = await run(process.execPath, args, { env: { ...env, PATH: process.env['PATH'] ?? '', MALLOC_ARENA_MAX: '1' } });
    return Number(stdout) / 1e6;
  };
  const file = await megabytes('file');
  expect(api.seen).toEqual([]);
  const watched = await megabytes('api');
  expect(api.count('watch')).toBe(1);
  expect(watched - file).toBeLessThan(MOST_MB);
});
