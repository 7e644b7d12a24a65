/** What the tests of whole processes share: configurations, and what the simulator's log says about windows. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SimCall } from '../../src/simulator/server.ts';
import { worstWindow, type Arrival } from '../../src/simulator/worst-window.ts';
import type { WindowShape } from '../../src/wire/window.ts';
import { SENT_AT } from './client.ts';

/** Windows short enough to wait for, of many sub-buckets. */
export const ONE_SECOND = { stepMs: 100, steps: 10, maxAgeMs: 500 } as const;
export const TWO_SECONDS = { stepMs: 100, steps: 21, maxAgeMs: 500 } as const;
/** The windows looked at are shorter than these by the longest way of a call (`worst`); much shorter ones would say nothing. */
export const LONG_ENOUGH_MS = 400;

export interface Limits {
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
  readonly concurrency?: number;
}

/** Where Redis is: an address, or the section of a Sentinel or a Cluster. */
export type RedisPlace = { readonly timeout?: string } & ({ readonly url: string } | { readonly section: object });

export interface Described {
  readonly models: Readonly<Record<string, { readonly url: string; readonly limits?: Limits }>>;
  readonly groups: Readonly<Record<string, { readonly models: readonly string[]; readonly fallback?: readonly string[] }>>;
  readonly redis?: RedisPlace;
  readonly maxPods?: number;
}

/** YAML that is also JSON. Redis is given by reference, as users do: REDIS_URL of `envFor`. */
export function configText({ models, groups, redis, maxPods }: Described): string {
  return JSON.stringify(
    {
      models: Object.fromEntries(
        Object.entries(models).map(([name, { url, limits }]) => [
          name,
          { provider: 'openai', model: name, baseUrl: `${url}/v1`, apiKey: { env: 'UPSTREAM_KEY' }, ...(limits && { limits }) },
        ]),
      ),
      groups,
      // The limits are exact only while Redis decides; a machine busy with other tests must not look like a Redis that is away.
      ...(redis && { redis: { ...('url' in redis ? { url: { env: 'REDIS_URL' } } : redis.section), timeout: redis.timeout ?? '900ms' } }),
      ...(maxPods !== undefined && { budgets: { maxPods } }),
    },
    undefined,
    2,
  );
}

export function envFor(redis?: { readonly url: string } | { readonly section: object }): Record<string, string> {
  return { UPSTREAM_KEY: 'a-key', ...(redis && 'url' in redis && { REDIS_URL: redis.url }) };
}

export interface Directory {
  readonly path: string;
  write(name: string, text: string): Promise<string>;
  remove(): Promise<void>;
}

export async function directory(): Promise<Directory> {
  const path = await mkdtemp(join(tmpdir(), 'spillway-chaos-'));
  return {
    path,
    async write(name, text) {
      const file = join(path, name);
      await writeFile(file, text);
      return file;
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

/** What a call takes from a budget: input and output both. With `answerTokens` = `max_tokens` it is all of what was reserved. */
export function tokensOf({ promptTokens, maxTokens }: SimCall): number {
  return promptTokens + maxTokens;
}

export function arrivals(calls: readonly SimCall[]): Arrival[] {
  return calls.map((call) => ({ at: call.at, reservedTokens: tokensOf(call) }));
}

/**
 * The span in which the provider may see no more than the limit. Two calls decided at most steps x stepMs apart are counted
 * together (src/wire/window.ts). A call was decided after its app sent it and before it arrived; so the longest way of
 * any call, from app to provider, is the most by which two arrivals can be nearer than their decisions. 1 ms more because Redis' clock
 * is read in whole ones.
 */
export function guaranteedMs(shape: WindowShape, calls: readonly SimCall[]): number {
  const ways = calls.map((call) => call.at - Number(call.headers[SENT_AT]));
  return shape.steps * shape.stepMs - Math.max(0, ...ways) - 1;
}

export function worst(shape: WindowShape, calls: readonly SimCall[]): { calls: number; tokens: number; ms: number } {
  const ms = guaranteedMs(shape, calls);
  return { ...worstWindow(arrivals(calls), ms), ms };
}
