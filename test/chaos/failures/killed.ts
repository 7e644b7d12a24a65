/** A pod ends with streams open, in production's intervals: how long until another pod sees its places free. */
import { startSimulator } from '../../../src/simulator/server.ts';
import { startSidecar } from '../../support/processes.ts';
import { startRedis } from '../../support/redis-server.ts';
import { chat, clock, closeConnections, statusOf, until } from '../client.ts';
import { configText, directory, envFor } from '../setup.ts';

const PLACES = 10;
const PATIENCE_MS = 90_000;

export interface Ended {
  /** From the moment it was gone. */
  readonly freeMs: number;
  readonly places: number;
}

export async function endPod(signal: 'SIGKILL' | 'SIGTERM'): Promise<Ended> {
  const simulator = await startSimulator({ models: [{ name: 'slow', answerTokens: 10_000, tokensPerSecond: 50 }] });
  const redis = await startRedis();
  const files = await directory();
  const config = await files.write('spillway.yaml', configText({ models: { slow: { url: simulator.url, limits: { concurrency: PLACES } } }, groups: { app: { models: ['slow'] } }, redis }));
  const start = () => startSidecar({ config, env: envFor(redis), args: ['--grace', '100ms'] });
  const [ending, other] = await Promise.all([start(), start()]);
  try {
    const held = async (): Promise<number> => (await statusOf(other.admin)).models['slow']!.budgets['concurrency']!.used;
    for (let i = 0; i < PLACES; i += 1) void chat(ending.url, { model: 'app', maxTokens: 10_000, stream: true });
    await until('all places are taken', async () => (await held()) === PLACES);
    ending.kill(signal);
    await ending.exited;
    const gone = clock();
    await until('its places are free', async () => (await held()) === 0, PATIENCE_MS);
    return { freeMs: clock() - gone, places: PLACES };
  } finally {
    for (const pod of [ending, other]) pod.kill('SIGKILL');
    closeConnections();
    await Promise.all([ending.exited, other.exited, simulator.close(), redis.stop(), files.remove()]);
  }
}
