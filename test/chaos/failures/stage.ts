/**
 * Where faults are tried: three sidecars, simulated providers, and apps that want more than every budget has. Windows are
 * short, all other intervals those of production.
 */
import { startSimulator, type Simulator } from '../../../src/simulator/server.ts';
import { startSidecar, type SidecarProcess } from '../../support/processes.ts';
import { closeConnections, load, type Answer } from '../client.ts';
import { configText, directory, envFor, type RedisPlace } from '../setup.ts';

export const PODS = 3;

/** The provider's minute. Pods count longer, by as much as a request may be late (docs/decisions/0002). */
export const MINUTE_MS = 1_500;
export const SHAPE = { stepMs: 100, steps: 20, maxAgeMs: 500 } as const;

/** 200 tokens a call, reserved and used alike, as the provider counts. */
const PROMPT = 'four'.repeat(100);
const ANSWER = 100;
const STREAM_TOKENS = 10;

export const LIMITS = { requests: 60, tokens: 12_000, concurrency: 9 } as const;
export type Limited = keyof typeof LIMITS;

/** Each has one limit, and a model without any to fall back to. */
const MODELS = {
  requests: { requestsPerMinute: LIMITS.requests },
  tokens: { tokensPerMinute: LIMITS.tokens },
  concurrency: { concurrency: LIMITS.concurrency },
} as const;

export interface Stage {
  readonly pods: readonly SidecarProcess[];
  readonly simulator: Simulator;
  /** Every answer so far. */
  answers(): readonly Answer[];
  /** The apps' last requests are answered when it resolves. */
  close(): Promise<void>;
}

/** @param envOf the environment of each pod, if they do not come to Redis in the same way */
export async function openStage(redis: RedisPlace, envOf: (pod: number) => Record<string, string> = () => envFor(redis)): Promise<Stage> {
  const files = await directory();
  const names = Object.keys(MODELS) as Limited[];
  const simulator = await startSimulator({
    models: [
      ...names.map((name) => (name === 'concurrency' ? { name, answerTokens: STREAM_TOKENS, tokensPerSecond: 50 } : { name, answerTokens: ANSWER })),
      { name: 'fallback', answerTokens: ANSWER },
    ],
  });
  const { url } = simulator;
  const config = await files.write(
    'spillway.yaml',
    configText({
      models: { ...Object.fromEntries(names.map((name) => [name, { url, limits: MODELS[name] }])), fallback: { url } },
      groups: Object.fromEntries(names.map((name) => [`app-${name}`, { models: [name], fallback: ['fallback'] }])),
      redis: { timeout: '50ms', ...redis },
      maxPods: PODS,
    }),
  );
  const pods = await Promise.all(Array.from({ length: PODS }, (_, pod) => startSidecar({ config, window: SHAPE, env: envOf(pod) })));
  const urls = pods.map((pod) => pod.url);
  // Every fourth of the short ones is streamed, too.
  const short = load(urls, 4, 30, (nth) => ({ model: nth % 2 === 0 ? 'app-requests' : 'app-tokens', prompt: PROMPT, maxTokens: ANSWER, stream: nth % 8 < 2 }));
  const long = load(urls, 4, 60, () => ({ model: 'app-concurrency', maxTokens: ANSWER, stream: true }));
  return {
    pods,
    simulator,
    answers: () => [...short.answers, ...long.answers],
    async close() {
      await Promise.all([short.stop(), long.stop()]);
      for (const pod of pods) pod.kill('SIGKILL');
      await Promise.all(pods.map((pod) => pod.exited));
      closeConnections();
      await Promise.all([simulator.close(), files.remove()]);
    },
  };
}
