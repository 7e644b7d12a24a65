/** The scripts in Redis against the model: the same answers to the same operations at the same (passed-in) times. */
import { expect, test } from '@jest/globals';
import { loadScripts, type Scripts } from '../../src/budgets/scripts.ts';
import { emptiedRedis } from '../support/redis-emptied.ts';
import { describeWithRedis } from '../support/redis.ts';
import { compare, type Difference } from '../unit/budgets/support/compare.ts';
import { Edges } from '../unit/budgets/support/edges.ts';
import { Play } from '../unit/budgets/support/play.ts';

const shape = { leaseMs: 3_000, recordMs: 20_000, batch: 24 };

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
  const redis = emptiedRedis();

  /** The name of a difference is its seed; SPILLWAY_TEST_SEED plays it again. */
  const play = (scripts: Scripts, seed: number, operations: number): Promise<Difference | null> =>
    compare(redis.client, scripts, new Play({ ...shape, seed }), `${seed}`, operations);

  test('100,000 random operations: no difference', async () => {
    const first = Number(process.env['SPILLWAY_TEST_SEED'] ?? Math.floor(Math.random() * 1e9));
    for (let round = 0; round < 50; round += 1)
      expect(await play(loadScripts(), first + round, 2_000)).toBeNull();
  }, 120_000);

  test('on the edges of what health lasts: no difference', async () => {
    expect(await compare(redis.client, loadScripts(), new Edges(), 'edges')).toBeNull();
  });

  test('every key that a script touches is declared and carries the one hash tag', async () => {
    for (let seed = 1; seed <= 3; seed += 1)
      expect(await play(guarded(loadScripts()), seed, 1_000)).toBeNull();
    for (const key of await redis.client.keys('*')) expect(key).toMatch(/^\{same-\d\}:([ucm]:[a-e]|rsv|lease|pods|grants)$/);
  });
});
