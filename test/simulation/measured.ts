/** Experiments in threads of their own: Jest runs a test's own code several times slower than Node runs it. */
import { Worker } from 'node:worker_threads';
import type { Experiments } from './experiments.ts';

const THREADS = 2;

type Parameters<Name extends keyof Experiments> = globalThis.Parameters<Experiments[Name]>[1];
export type Figures<Name extends keyof Experiments> = Awaited<ReturnType<Experiments[Name]>> & { readonly seed: number };

/** The figures of each seed, in order. `count` seeds from `first` on. */
export async function measured<Name extends keyof Experiments>(
  name: Name,
  parameters: Parameters<Name>,
  count: number,
  first = 1,
): Promise<Figures<Name>[]> {
  const seeds = Array.from({ length: count }, (_, i) => first + i);
  const parts = Array.from({ length: THREADS }, (_, thread) => seeds.filter((seed) => seed % THREADS === thread));
  const figures = await Promise.all(parts.map((part) => inThread<Figures<Name>>({ name, parameters, seeds: part })));
  return figures.flat().sort((a, b) => a.seed - b.seed);
}

function inThread<T>(workerData: unknown): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('thread.ts', import.meta.url), { workerData });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
