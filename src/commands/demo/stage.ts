/** Builds the scene: the simulated providers, and one sidecar, or two that share their budgets through Redis. */
import { randomBytes } from 'node:crypto';
import { createBudgets } from '../../budgets/create.ts';
import { startSimulator, type Simulator } from '../../simulator/server.ts';
import { createLog } from '../../telemetry/log.ts';
import type { Address } from '../../wire/address.ts';
import { messageOf } from '../../wire/record.ts';
import { WINDOW, window } from '../../wire/window.ts';
import { startSidecar, type ConfigSource, type Sidecar } from '../sidecar.ts';
import type { OptionalAddress } from './options.ts';
import { sceneConfig, sceneEnvironment, simulatedModels } from './scene.ts';

export interface Stage {
  readonly simulator: Simulator;
  readonly sidecars: readonly Sidecar[];
  readonly budgets: BudgetsPlace;
  close(): Promise<void>;
}

/** `away`: a Redis was named that does not answer. */
export type BudgetsPlace = { readonly in: 'process' } | { readonly in: 'redis' } | { readonly in: 'process'; readonly away: string };

export interface StageOptions {
  readonly listen: readonly OptionalAddress[];
  readonly admin: readonly Address[];
  readonly redisUrl: string | undefined;
}

const BODY_BYTES = 8 * 1024 * 1024;
const BODY_IDLE_MS = 30_000;
const GRACE_MS = 2_000;
/** From one sidecar's ports to the next one's. */
const PORT_STEP = 10;

/** @throws CannotListen */
export async function openStage({ listen, admin, redisUrl }: StageOptions): Promise<Stage> {
  // New for each run: nothing that is in Redis already is touched, and a second run begins with full budgets.
  const keyPrefix = `spillway-demo-${randomBytes(4).toString('hex')}`;
  const budgets = redisUrl === undefined ? ({ in: 'process' } as const) : await findRedis(redisUrl, keyPrefix);
  const isShared = budgets.in === 'redis';
  const simulator = await startSimulator({ models: simulatedModels() });
  const sidecars: Sidecar[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(sidecars.map((sidecar) => sidecar.close(GRACE_MS)));
    await simulator.close();
  };
  const config = sceneConfig(simulator.url, isShared ? keyPrefix : undefined);
  try {
    for (let nth = 0; nth < (isShared ? 2 : 1); nth++) {
      sidecars.push(
        await startSidecar({
          source: fixedSource(config),
          listen: listen.map((address) => moved(address, nth)),
          admin: admin.map((address) => moved(address, nth)),
          bufferBytes: 2 * BODY_BYTES,
          bodyBytes: BODY_BYTES,
          bodyIdleMs: BODY_IDLE_MS,
          env: sceneEnvironment(isShared ? redisUrl : undefined),
          // Log lines would break the live view; what they tell is shown there.
          log: createLog('silent', { write: () => undefined }),
          window: window(),
          maxAgeMs: WINDOW.maxAgeMs,
          pod: `demo-${nth + 1}`,
        }),
      );
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { simulator, sidecars, budgets, close };
}

/** Asks as a sidecar will: with the engine itself, which tells no password. */
async function findRedis(url: string, keyPrefix: string): Promise<BudgetsPlace> {
  try {
    const engine = await createBudgets({ redis: { url }, keyPrefix, window: window(), pod: 'demo-probe' });
    const { up, lastError } = engine.state();
    await engine.close();
    return up ? { in: 'redis' } : { in: 'process', away: lastError ?? 'no answer within a second' };
  } catch (error) {
    return { in: 'process', away: messageOf(error) };
  }
}

function moved<A extends Address>(address: A, nth: number): A {
  const port = address.port + nth * PORT_STEP;
  return { ...address, port: address.port === 0 || port > 65_535 ? 0 : port };
}

function fixedSource(text: string): ConfigSource {
  return {
    name: 'demo',
    open: async (onText) => onText(text),
    close: () => undefined,
  };
}
