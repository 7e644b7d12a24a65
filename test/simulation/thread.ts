/** One thread of `measured`: an experiment, seed after seed. */
import { parentPort, workerData } from 'node:worker_threads';
import { EXPERIMENTS } from './experiments.ts';

const { name, parameters, seeds } = workerData as { name: keyof typeof EXPERIMENTS; parameters: never; seeds: number[] };
const figures: object[] = [];
for (const seed of seeds) figures.push({ seed, ...(await EXPERIMENTS[name](seed, parameters)) });
// This port has no origin: the rule means a browser's.
// oxlint-disable-next-line unicorn/require-post-message-target-origin
parentPort!.postMessage(figures);
