/** An error that nobody in the sidecar caught: what runs goes on, and the log says where it came from. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { killAll, startSidecar, type SidecarProcess } from '../support/processes.ts';
import { chat, closeConnections, failures, until } from './client.ts';
import { configText, directory, envFor, type Directory } from './setup.ts';

const TOKENS = 20;

/** No defect is known that would do: put into the process from without, at a signal. */
const DEFECT = `process.on('SIGUSR2', () => {
  Promise.reject(new Error('nobody awaited this'));
  setImmediate(() => { throw new Error('nobody caught this'); });
});`;

let simulator: Simulator;
let files: Directory;

beforeAll(async () => {
  files = await directory();
  simulator = await startSimulator({ models: [{ name: 'slow', answerTokens: TOKENS, tokensPerSecond: 25 }] });
});

afterEach(killAll);

afterAll(async () => {
  closeConnections();
  await simulator.close();
  await files.remove();
});

function start(): Promise<SidecarProcess> {
  const text = configText({ models: { slow: { url: simulator.url } }, groups: { app: { models: ['slow'] } } });
  const env = { ...envFor(), NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(DEFECT)}` };
  return files.write('spillway.yaml', text).then((config) => startSidecar({ config, env }));
}

test('running streams end whole, the next request is served, the stop is an orderly one', async () => {
  const sidecar = await start();
  let begun = false;
  const running = chat(sidecar.url, { model: 'app', stream: true, onText: () => (begun = true) });
  await until('the stream has begun', () => begun);
  sidecar.kill('SIGUSR2');
  const told = (): unknown[] => sidecar.logs().filter(({ level }) => level === 'error').map(({ err }) => (err as { message: string }).message);
  await until('both are told', () => told().length === 2);
  expect(told().toSorted()).toEqual(['nobody awaited this', 'nobody caught this']);
  expect(failures([await running, await chat(sidecar.url, { model: 'app' })])).toEqual([]);
  sidecar.kill('SIGTERM');
  expect(await sidecar.exited).toEqual({ code: 0, signal: null });
  expect(sidecar.stderr()).toBe('');
});
