/** The scripts as typed calls: one round trip each. Knows the keys and how arguments and answers are written. */
import type { Cluster, Redis } from 'ioredis';
import type { Writable } from 'node:stream';
import { knownAmounts, wholeAmount } from './amounts.ts';
import { coalescing } from './coalesce.ts';
import type { Held } from './model.ts';
import type { Scripts } from './scripts.ts';
import { SCRIPT_NAMES } from './scripts.ts';
import type { Actual, Ask, Candidate, Decision, Dimension, Level, Refusal, WindowShape } from './types.ts';

export type RedisClient = Redis | Cluster;

export interface CommandsOptions {
  readonly client: RedisClient;
  readonly scripts: Scripts;
  readonly keyPrefix: string;
  readonly window: WindowShape;
  readonly leaseMs: number;
  readonly recordMs: number;
}

/** `now` is for tests; without it Redis' own clock is used. All reject when Redis cannot answer. */
export interface Commands {
  reserve(id: string, candidates: readonly Candidate[], now?: number): Promise<Decision>;
  /** `budgets`: those that may have been charged. Answers whether there was such a reservation. */
  settle(id: string, budgets: readonly string[], actual: Actual, now?: number): Promise<boolean>;
  /** Answers the number of live pods. A heartbeat of 0 ms: the pod leaves. */
  beat(pod: string, podMs: number, held: readonly Held[], now?: number): Promise<number>;
  usage(budgets: ReadonlyMap<string, readonly Ask[]>, now?: number): Promise<Map<string, readonly Level[]>>;
}

const LETTERS: Readonly<Record<Dimension, string>> = {
  requests: 'r',
  tokens: 't',
  input_tokens: 'i',
  output_tokens: 'o',
  concurrency: 'c',
};
const DIMENSIONS = new Map(Object.entries(LETTERS).map(([name, letter]) => [letter, name as Dimension]));

/** Rings expire this long after their newest sub-bucket, far beyond any window. */
const RING_MS = 600_000;

type Script = (keys: number, ...args: (string | number)[]) => Promise<unknown>;

export function createCommands(options: CommandsOptions): Commands {
  const { client, scripts, keyPrefix, window, leaseMs, recordMs } = options;
  for (const name of SCRIPT_NAMES) client.defineCommand(`spillway_${name}`, { lua: scripts[name] });
  const coalesce = coalescing(() => ('stream' in client ? (client.stream as Writable | undefined) : undefined));
  const run = (name: keyof Scripts, keys: readonly string[], args: readonly (string | number)[]) => {
    const script = Reflect.get(client, `spillway_${name}`) as Script;
    coalesce();
    return script.call(client, keys.length, ...keys, ...args);
  };

  // One hash tag: in a cluster all of it lives on one node, or no script could see several budgets at once.
  const tag = `{${keyPrefix}}`;
  const records = [`${tag}:rsv`, `${tag}:lease`];
  const slotsKey = (budget: string) => `${tag}:c:${budget}`;
  const budgetKeys = (budgets: readonly string[]) =>
    budgets.flatMap((budget) => [`${tag}:u:${budget}`, slotsKey(budget)]);
  const ringMs = Math.max(RING_MS, 2 * window.stepMs * (window.steps + 1));

  return {
    async reserve(id, candidates, now = 0) {
      const keys = [...records, ...budgetKeys(candidates.map(({ budget }) => budget))];
      const args: (string | number)[] = [now, id, window.stepMs, window.steps, ringMs, leaseMs, recordMs];
      args.push(candidates.length);
      for (const { asks } of candidates) {
        args.push(asks.length);
        for (const { dimension, limit, amount } of asks) args.push(LETTERS[dimension], limit, wholeAmount(amount));
      }
      const [replayed, text] = (await run('reserve', keys, args)) as [number, string];
      return readDecision(text, replayed === 1);
    },

    async settle(id, budgets, actual, now = 0) {
      const args: (string | number)[] = [now, id, window.stepMs, window.steps, ringMs];
      for (const [dimension, amount] of knownAmounts(actual)) args.push(LETTERS[dimension], amount);
      return (await run('settle', [...records, ...budgetKeys(budgets)], args)) === 1;
    },

    async beat(pod, podMs, held, now = 0) {
      const slots = [...new Set(held.map(({ slotOf }) => slotOf))].filter((budget) => budget !== null);
      const keys = [`${tag}:pods`, ...records, ...slots.map(slotsKey)];
      const places = new Map<string | null, number>(slots.map((budget, index) => [budget, index + 1]));
      const args: (string | number)[] = [now, pod, podMs, 2 * recordMs, leaseMs, recordMs];
      for (const { id, slotOf } of held) args.push(id, places.get(slotOf) ?? 0);
      return (await run('beat', keys, args)) as number;
    },

    async usage(budgets, now = 0) {
      const args: (string | number)[] = [now, window.stepMs, window.steps];
      for (const asks of budgets.values()) args.push(asks.length, ...asks.map(({ dimension }) => LETTERS[dimension]));
      const numbers = (await run('usage', budgetKeys([...budgets.keys()]), args)) as number[];
      let at = 0;
      const read = ({ dimension, limit }: Ask): Level => {
        at += 2;
        return { dimension, limit, used: numbers[at - 2]!, resetMs: numbers[at - 1]! };
      };
      return new Map([...budgets].map(([name, asks]) => [name, asks.map(read)]));
    },
  };
}

/** chosen|dimension,wait,...|dimension,limit,used,reset,... (reserve.lua) */
function readDecision(text: string, replayed: boolean): Decision {
  const [chosen, refused, held] = text.split('|');
  const refusals: Refusal[] = [];
  const levels: Level[] = [];
  const why = refused ? refused.split(',') : [];
  for (let i = 0; i < why.length; i += 2)
    refusals.push({ dimension: DIMENSIONS.get(why[i]!)!, waitMs: Number(why[i + 1]) });
  const full = held ? held.split(',') : [];
  for (let i = 0; i < full.length; i += 4)
    levels.push({
      dimension: DIMENSIONS.get(full[i]!)!,
      limit: Number(full[i + 1]),
      used: Number(full[i + 2]),
      resetMs: Number(full[i + 3]),
    });
  return { chosen: Number(chosen), refusals, levels, replayed, by: 'redis' };
}
