/** The scripts in Redis against the model: the same answers to the same operations at the same (passed-in) times. */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { createCommands, type Commands } from '../../src/budgets/commands.ts';
import { beat, createModel, reserve, settle, usage, type Held, type Model } from '../../src/budgets/model.ts';
import { loadScripts, type Scripts } from '../../src/budgets/scripts.ts';
import type { Actual, Ask, Candidate, Dimension } from '../../src/budgets/types.ts';
import { describeWithRedis, startRedis, type RedisServer } from '../support/redis.ts';

const DIMENSIONS: readonly Dimension[] = ['requests', 'tokens', 'input_tokens', 'output_tokens', 'concurrency'];
const BUDGETS = ['a', 'b', 'c', 'd'];
const shape = { leaseMs: 3_000, recordMs: 20_000 };
const windows = [
  { stepMs: 100, steps: 10 },
  { stepMs: 1_000, steps: 61 },
  { stepMs: 7, steps: 3 },
];

/** mulberry32: the same numbers for the same seed. */
function numbers(seed: number): (below: number) => number {
  let a = seed;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

interface Play {
  readonly model: Model;
  readonly commands: Commands;
  readonly below: (below: number) => number;
  readonly live: Map<string, readonly Candidate[]>;
  now: number;
  ids: number;
}

type Step = { what: unknown; expected: unknown; answer: Promise<unknown> };

function randomAsk(below: Play['below'], dimension: Dimension): Ask {
  if (dimension === 'concurrency') return { dimension, limit: 1 + below(6), amount: below(20) === 0 ? 0 : 1 };
  const scale = dimension === 'requests' ? 1 : 1_000;
  const limit = (below(30) === 0 ? 1 : 5 + below(25)) * scale;
  const amount = below(12) === 0 ? 0 : dimension === 'requests' ? 1 + below(2) : below(6_000);
  return { dimension, limit, amount };
}

function randomCandidates({ below }: Play): Candidate[] {
  const budgets = BUDGETS.toSorted(() => below(3) - 1).slice(0, 1 + below(4));
  return budgets.map((budget) => ({
    budget,
    asks: below(40) === 0 ? [] : DIMENSIONS.filter(() => below(5) < 3).map((dimension) => randomAsk(below, dimension)),
  }));
}

function moveClock(play: Play): void {
  const { below, model } = play;
  const length = model.window.stepMs * model.window.steps;
  const dice = below(100);
  if (dice < 70) play.now += below(model.window.stepMs);
  else if (dice < 90) play.now += below(3 * model.window.stepMs);
  else if (dice < 95) play.now += below(length);
  else if (dice < 96) play.now += below(3 * length);
  else if (dice < 98) play.now -= below(length);
  // Exactly on an edge.
  else play.now = Math.ceil(play.now / model.window.stepMs) * model.window.stepMs;
}

function step(play: Play): Step {
  const { below, model, commands, live } = play;
  moveClock(play);
  const { now } = play;
  const dice = below(100);
  const ids = [...live.keys()];
  const some = ids[below(ids.length || 1)];
  if (dice < 55 || some === undefined) {
    play.ids += 1;
    const id = some !== undefined && below(9) === 0 ? some : `id-${play.ids}`;
    const candidates = randomCandidates(play);
    const expected = { ...reserve(model, id, candidates, now), by: 'redis' };
    if (expected.chosen >= 0) live.set(id, candidates);
    return { what: { now, id, candidates }, expected, answer: commands.reserve(id, candidates, now) };
  }
  if (dice < 90) {
    const id = below(10) === 0 ? `id-${below(play.ids + 1)}` : some;
    const actual: Actual = {};
    for (const dimension of DIMENSIONS) {
      if (below(4) > 0) actual[dimension] = dimension === 'requests' ? below(3) : below(7_000);
    }
    if (below(10) > 0) live.delete(id);
    const expected = settle(model, id, actual, now);
    return { what: { now, id, actual }, expected, answer: commands.settle(id, BUDGETS, actual, now) };
  }
  if (dice < 95) {
    const held: Held[] = ids.filter(() => below(3) > 0).map((id) => {
      const known = model.reservations.get(id);
      const slot = known?.charges.some(({ dimension }) => dimension === 'concurrency');
      return { id, slotOf: slot ? known!.budget : null };
    });
    const pod = `pod-${below(5)}`;
    const podMs = below(6) === 0 ? 0 : 1 + below(5_000);
    const expected = beat(model, pod, podMs, held, now);
    return { what: { now, pod, podMs, held }, expected, answer: commands.beat(pod, podMs, held, now) };
  }
  const wanted = new Map(BUDGETS.map((budget) => [budget, DIMENSIONS.map((d) => ({ dimension: d, limit: 9, amount: 0 }))]));
  return { what: { now, usage: true }, expected: usage(model, wanted, now), answer: commands.usage(wanted, now) };
}

/** Lua in which every key that a command names must have been declared. */
function guarded(scripts: Scripts): Scripts {
  const guard = `
    local real, declared = redis, {}
    for _, k in ipairs(KEYS) do declared[k] = true end
    local redis = { call = function(name, key, ...)
      if name ~= 'TIME' and not declared[key] then error('undeclared key ' .. tostring(key)) end
      return real.call(name, key, ...)
    end }\n`;
  return Object.fromEntries(Object.entries(scripts).map(([name, text]) => [name, guard + text])) as Scripts;
}

describeWithRedis('Redis and the model', () => {
  let server: RedisServer;
  let client: Redis;
  beforeAll(async () => {
    server = await startRedis();
    client = new Redis(server.port, { protocol: 2 });
  });
  beforeEach(() => client.flushall());
  afterAll(async () => {
    client.disconnect();
    await server.stop();
  });

  async function play(seed: number, steps: number, scripts: Scripts): Promise<void> {
    const window = windows[seed % windows.length]!;
    const one: Play = {
      model: createModel({ window, ...shape }),
      commands: createCommands({ client, scripts, keyPrefix: `same-${seed}`, window, ...shape }),
      below: numbers(seed),
      live: new Map(),
      now: 1_700_000_000_000,
      ids: 0,
    };
    for (let done = 0; done < steps; done += 100) {
      const batch = Array.from({ length: 100 }, () => step(one));
      const answers = await Promise.all(batch.map(({ answer }) => answer));
      for (const [index, { what, expected }] of batch.entries()) {
        const label = { seed, at: done + index, what };
        expect({ ...label, answer: answers[index] }).toEqual({ ...label, answer: expected });
      }
    }
    const wanted = new Map(BUDGETS.map((budget) => [budget, DIMENSIONS.map((d) => ({ dimension: d, limit: 9, amount: 0 }))]));
    expect(await one.commands.usage(wanted, one.now)).toEqual(usage(one.model, wanted, one.now));
  }

  test('24,000 random operations: no difference', async () => {
    const first = Number(process.env['SPILLWAY_TEST_SEED'] ?? Math.floor(Math.random() * 1e9));
    for (let round = 0; round < 12; round += 1) await play(first + round, 2_000, loadScripts());
  }, 120_000);

  test('every key that a script touches is declared and carries the one hash tag', async () => {
    for (let seed = 1; seed <= 3; seed += 1) await play(seed, 500, guarded(loadScripts()));
    for (const key of await client.keys('*')) expect(key).toMatch(/^\{same-\d\}:(u:[a-d]|c:[a-d]|rsv|lease|pods)$/);
  });

  test('a refund to rings that Redis lost and began anew never goes below zero', async () => {
    const window = windows[1]!;
    const commands = createCommands({ client, scripts: loadScripts(), keyPrefix: 'lost', window, ...shape });
    const tokens = (amount: number): Ask => ({ dimension: 'tokens', limit: 1_000, amount });
    const now = 1_700_000_000_000;
    await commands.reserve('one', [{ budget: 'a', asks: [tokens(900)] }], now);
    await client.del('{lost}:u:a');
    await commands.reserve('two', [{ budget: 'a', asks: [tokens(5)] }], now);
    await commands.settle('one', ['a'], { tokens: 0 }, now);
    expect((await commands.usage(new Map([['a', [tokens(0)]]]), now)).get('a')![0]!.used).toBe(0);
  });

  test('a settle that does not name the charged budget does nothing', async () => {
    const window = windows[1]!;
    const commands = createCommands({ client, scripts: loadScripts(), keyPrefix: 'other', window, ...shape });
    await commands.reserve('one', [{ budget: 'a', asks: [{ dimension: 'requests', limit: 9, amount: 1 }] }]);
    expect(await commands.settle('one', ['b'], {})).toBe(false);
    expect(await commands.settle('one', ['b', 'a'], {})).toBe(true);
  });

  test('what a script leaves goes away by itself', async () => {
    const window = windows[0]!;
    const commands = createCommands({ client, scripts: loadScripts(), keyPrefix: 'ttl', window, ...shape });
    const asks: Ask[] = [
      { dimension: 'requests', limit: 9, amount: 1 },
      { dimension: 'concurrency', limit: 9, amount: 1 },
    ];
    await commands.reserve('one', [{ budget: 'a', asks }]);
    await commands.beat('pod', 1_000, [{ id: 'one', slotOf: 'a' }]);
    const keys = await client.keys('*');
    expect(keys).toHaveLength(5);
    for (const key of keys) expect(await client.pttl(key)).toBeGreaterThan(0);
  });
});
