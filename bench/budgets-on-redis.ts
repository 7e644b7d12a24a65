/** Shared limits on a real Redis: what a decision costs, and the limits under bursts in real time, with a window of 2 s. */
import { connectRedis } from '../src/budgets/client.ts';
import { createCommands, type RedisClient } from '../src/budgets/commands.ts';
import { loadScripts } from '../src/budgets/scripts.ts';
import { seeded } from '../src/simulator/random.ts';
import { worstWindow, type Arrival } from '../src/simulator/worst-window.ts';
import { window, type WindowShape } from '../src/wire/window.ts';
import { fixedWindow } from '../test/simulation/peers.ts';
import { between, exponential, type Limits } from '../test/simulation/scenario.ts';
import { candidates, type Store } from '../test/simulation/store.ts';
import { startRedis } from '../test/support/redis-server.ts';

const BUDGETS = ['b'];

export interface OnRedis {
  /** Commands that a request waits for. */
  readonly before: number;
  /** Commands of one request in all, with its settlement. */
  readonly all: number;
  /** Of Redis' time, by its own count, in microseconds. */
  readonly decideUs: number;
  readonly settleUs: number;
  /** Of the limit, in real time. */
  readonly worst: number;
}

type Make = (client: RedisClient, limits: Limits, windowMs: number) => Store;

const CONTENDERS: Record<string, Make> = {
  spillway: (client, limits, windowMs) => spillway(client, limits, windowMs === 60_000 ? window() : scaled(windowMs)),
  fixedWindow: (client, limits, windowMs) => fixedWindow(limits, client, { seconds: windowMs / 1_000 }),
  twoBuckets,
};

/** The slack is for delays of this machine, which do not shrink with the window. */
function scaled(windowMs: number): WindowShape {
  return { stepMs: windowMs / 40, steps: 44 };
}

function spillway(client: RedisClient, limits: Limits, shape: WindowShape): Store {
  const commands = createCommands({ client, scripts: loadScripts(), keyPrefix: 'table', window: shape, leaseMs: 30_000, recordMs: 600_000 });
  return {
    async reserve(id, amounts, now) {
      const [decision] = await commands.apply([{ kind: 'reserve', id, candidates: candidates(limits, amounts), enforce: true }], '', now);
      return { admitted: typeof decision === 'object' && decision.chosen === 0, waitMs: 0 };
    },
    async settle(id, { requests, tokens }, now) {
      await commands.apply([{ kind: 'settle', id, budgets: BUDGETS, actual: { requests, tokens } }], '', now);
    },
  };
}

const TWO_BUCKETS = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local length = tonumber(ARGV[1])
local bucket = math.floor(now / length)
local weight = 1 - (now - bucket * length) / length
local before = redis.call('HMGET', KEYS[1] .. ':' .. (bucket - 1), 'r', 't')
local key = KEYS[1] .. ':' .. bucket
local count = redis.call('HMGET', key, 'r', 't')
for i = 1, 2 do
  if (tonumber(before[i]) or 0) * weight + (tonumber(count[i]) or 0) + ARGV[2 * i + 1] > tonumber(ARGV[2 * i]) then return 0 end
end
redis.call('HINCRBY', key, 'r', ARGV[3])
redis.call('HINCRBY', key, 't', ARGV[5])
redis.call('PEXPIRE', key, 3 * length)
return bucket`;

function twoBuckets(client: RedisClient, limits: Limits, windowMs: number): Store {
  client.defineCommand('twoBuckets', { numberOfKeys: 1, lua: TWO_BUCKETS });
  const run = (Reflect.get(client, 'twoBuckets') as (...args: (string | number)[]) => Promise<number>).bind(client);
  const reserved = new Map<string, { key: string; tokens: number }>();
  return {
    async reserve(id, { requests, tokens }) {
      const bucket = await run('{two}', windowMs, limits.requests, requests, limits.tokens, tokens);
      if (bucket > 0) reserved.set(id, { key: `{two}:${bucket}`, tokens });
      return { admitted: bucket > 0, waitMs: 0 };
    },
    async settle(id, { tokens }) {
      const was = reserved.get(id)!;
      await client.hincrby(was.key, 't', tokens - was.tokens);
    },
  };
}

/** So many calls over a turn of the ring, so that all of its sub-buckets are in use. */
const CALLS = 4_000;
const STEP_MS = 20;

async function costs(client: RedisClient, store: Store): Promise<Omit<OnRedis, 'worst'>> {
  const now = Date.now();
  const ids = Array.from({ length: CALLS }, (_, i) => `${i}`);
  const phase = async (act: (id: string, at: number) => unknown): Promise<{ calls: number; us: number }> => {
    await client.config('RESETSTAT');
    for (const [i, id] of ids.entries()) await act(id, now + i * STEP_MS);
    return statistics(client);
  };
  // The first sends the script's text.
  await store.reserve('first', { requests: 1, tokens: 900 }, now);
  const decided = await phase((id, at) => store.reserve(id, { requests: 1, tokens: 900 }, at));
  const settled = await phase((id, at) => store.settle(id, { requests: 1, tokens: 600 }, at));
  return {
    before: decided.calls / CALLS,
    all: (decided.calls + settled.calls) / CALLS,
    decideUs: decided.us / CALLS,
    settleUs: settled.us / CALLS,
  };
}

/** What a client sends: scripts, and the plain command of two buckets outside one. What scripts call is in their time. */
async function statistics(client: RedisClient): Promise<{ calls: number; us: number }> {
  const lines = [...(await client.info('commandstats')).matchAll(/cmdstat_(\w+):calls=(\d+),usec=(\d+)/g)];
  const scripts = lines.filter(([, name]) => name === 'eval' || name === 'evalsha');
  const sent = scripts.length > 0 ? scripts : lines.filter(([, name]) => name === 'hincrby');
  return { calls: sent.reduce((sum, [, , calls]) => sum + Number(calls), 0), us: sent.reduce((sum, [, , , us]) => sum + Number(us), 0) };
}

const REAL = { windowMs: 2_000, lengthMs: 24_000, limits: { requests: 200, tokens: 100_000 }, perSecond: 800, seeds: [1, 2, 3] };

/** Bursts as long as a part of the window. The same calls for all. */
function burstsOf(seed: number): { at: number; tokens: number }[] {
  const random = seeded(seed);
  const calls: { at: number; tokens: number }[] = [];
  for (let from = 0; from < REAL.lengthMs; from += between(random, 500, 2_000)) {
    const to = from + between(random, 100, 800);
    for (; from < to; from += exponential(random, 1_000 / REAL.perSecond)) calls.push({ at: from, tokens: Math.round(between(random, 1, 900)) });
  }
  return calls;
}

async function worstInRealTime(store: Store, seed: number): Promise<number> {
  const arrivals: Arrival[] = [];
  const one = async ({ tokens }: { tokens: number }, id: string): Promise<void> => {
    const { admitted } = await store.reserve(id, { requests: 1, tokens }, 0);
    if (admitted) arrivals.push({ at: performance.now(), reservedTokens: tokens });
  };
  await Promise.all(
    burstsOf(seed).map(
      (call, i) =>
        new Promise<void>((resolve, reject) => {
          setTimeout(() => void one(call, `real-${i}`).then(resolve, reject), call.at);
        }),
    ),
  );
  const { calls, tokens } = worstWindow(arrivals, REAL.windowMs);
  return Math.max(calls / REAL.limits.requests, tokens / REAL.limits.tokens);
}

export async function onRedis(): Promise<Record<string, OnRedis>> {
  const server = await startRedis();
  const clients: RedisClient[] = [];
  const connect = async (database: number): Promise<RedisClient> => {
    const client = await connectRedis({ url: `${server.url}/${database}` });
    clients.push(client);
    await new Promise((resolve) => void client.once('ready', resolve));
    return client;
  };
  try {
    const costOf = new Map<string, Omit<OnRedis, 'worst'>>();
    for (const [name, make] of Object.entries(CONTENDERS)) {
      const client = await connect(0);
      costOf.set(name, await costs(client, make(client, { requests: 1e6, tokens: 1e9 }, 60_000)));
      await client.flushall();
    }
    const real = await Promise.all(
      Object.entries(CONTENDERS).map(async ([name, make]) => {
        const each = async (seed: number) => worstInRealTime(make(await connect(seed), REAL.limits, REAL.windowMs), seed);
        return [name, { ...costOf.get(name)!, worst: Math.max(...(await Promise.all(REAL.seeds.map(each)))) }] as const;
      }),
    );
    return Object.fromEntries(real);
  } finally {
    for (const client of clients) client.disconnect();
    await server.stop();
  }
}
