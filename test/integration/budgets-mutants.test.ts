/**
 * Does the comparison with the model notice mistakes? Each of these is made in the scripts, one at a time, and short
 * histories are played; every one must be found.
 */
import { describe, expect, test } from '@jest/globals';
import { loadScripts, SCRIPT_NAMES, type ScriptName, type Scripts } from '../../src/budgets/scripts.ts';
import { emptiedRedis } from '../support/redis-emptied.ts';
import { describeWithRedis } from '../support/redis.ts';
import { compare } from '../unit/budgets/support/compare.ts';
import { Edges } from '../unit/budgets/support/edges.ts';
import { Play } from '../unit/budgets/support/play.ts';

type Mutant = readonly [name: string, text: string, instead: string];

const APPLY: readonly Mutant[] = [
  // Limits
  ['a limit is one too small', 'if used_of(b, d) + amount > limit then', 'if used_of(b, d) + amount >= limit then'],
  ['limits are kept where they are not enforced', 'if not which or not keep then', 'if not which then'],
  ['limits are not kept', 'if not which or not keep then', 'if true then'],
  ['the shortest wait is the reason', '(w == -1 or w > wait)', '(w == -1 or w < wait)'],
  ['"never" does not last longest', '(w == -1 or w > wait)', '(w > wait)'],
  // Rings
  ['what leaves the window counts on', 'r.sum = sum - cur', 'r.sum = sum'],
  ['older sub-buckets count on', 'r.sum = r.sum - tonumber(v or 0)', 'r.sum = r.sum'],
  ['old sub-buckets are not cleared', 'if moves and r.gone then', 'if false then'],
  ['a window is a step too short', 'for k = r.top - steps, r.top do', 'for k = r.top - steps + 1, r.top do'],
  ['a wait is a step too short', 'return (k + size) * step - now end', 'return (k + steps) * step - now end'],
  ['a clock that goes back makes room', 'top = max(index, stored)', 'top = index'],
  ['an unread sub-bucket is written over', 'r.charged and r.val[newest] then', 'r.charged then r.val[newest] = r.val[newest] or 0'],
  // Settling
  ['what was not used stays charged', 'local back = min(amount, value)', 'local back = 0'],
  ['a refund goes to another sub-bucket', 'ring_give(ring_of(b, d), taken, amount)', 'ring_give(ring_of(b, d), taken + 1, amount)'],
  ['a refund moves the ring', "'S', int(r.charged and r.sum or r.kept)", "'S', int(r.sum)"],
  ['the first charge goes back first', 'for i = last - 2, first, -3 do', 'for i = first, last - 2, 3 do'],
  ['debt is forgotten', 'local place, n = take(b, d, more, id), #r', 'local place, n = 0, #r'],
  ['settled as often as it is said', 'record_set(id, false)', ''],
  ['a slot is never given back', "call('ZREM', b.slot_key, id)", ''],
  ['a slot is held a millisecond too long', "'(' .. int(now)", 'int(now)'],
  ['any budget will do', 'if r and KEYS[3 * i] == r[1] then', 'if r then'],
  ['the same id is decided twice', 'local r = known or decide(id)', 'local r = decide(id)'],
  ['a replay looks like the first', "say(r[6] + 1 .. ','", "say(r[6] .. ','"],
  // Later
  ['told use is given back', 'if figure <= (totals[d] or 0) then', 'if not totals[d] then'],
  ['told costs are not remembered', 'r[3], cost = figure, true', 'cost = true'],
  ['told use is not remembered as charged', 'r[i + 2] = r[i + 2] + more', ''],
  ['an orphan that is none', 'if lease > now then return say(NOTHING) end', ''],
  ['orphaned again and again', 'if not r or orphans[id] then', 'if not r then'],
  ['an orphan keeps its money', '{ d = r[3] >= 0 and r[3] or nil, m = r[4] >= 0 and r[4] or nil }', '{}'],
  ['an orphan is forgotten with its lease', 'true, now + RECORD_MS', 'true, now'],
  ['a refund to an orphan is not noted', 'r[i + 2], named[d] = r[i + 2] - part, more + part', 'named[d] = more + part'],
  ['asserted use that is too old counts', 'if k >= r.top - steps then', 'if k >= r.top - size then'],
  ['asserted use counts from now', 'floor((now - age) / step)', 'floor(now / step)'],
  // Money
  ["yesterday's cost counts today", 'p.newest, p.cost, p.moved = p.period, 0, true', 'p.newest, p.moved = p.period, true'],
  ['a refund of yesterday goes to today', 'if period == p.newest then', 'if true then'],
  ['a refund of yesterday is lost', 'if period < p.period - 1 then return end', 'if period < p.period then return end'],
  ['every month has 30 days', 'first_day(p.period + 1)', '(first_day(p.period) + 30)'],
  ['a clock that goes back opens an older day', 'p.period = max(p.newest, ', 'p.period = max(0, '],
  // Health
  ['a cooldown is ignored', 'if now < b.cd then', 'if false then'],
  ['a cooldown is a millisecond too long', 'if now < b.cd then', 'if now <= b.cd then'],
  ['a cooldown is made shorter', 'cd = max(cd, now + x)', 'cd = now + x'],
  ['a cooldown doubles too soon', '1000 * 2 ^ (cn - 1)', '1000 * 2 ^ cn'],
  ['a success does not end the doubling', "if kind == 'o' then cn = 0", "if kind == 'o' then cn = cn"],
  ['a circuit opens a failure too late', 'if #kept >= failures then', 'if #kept > failures then'],
  ['old failures count', 'if tonumber(at) > now - window then', 'if tonumber(at) >= now - window then'],
  ['a success takes nothing off', "rest = match(rest, '^%d+,(.+)$')", ''],
  ['an open circuit lets a request pass', 'if now < tonumber(rest) then return tonumber(rest) - now end', ''],
  ['two probes', "if now < tonumber(match(rest, '^%d+')) then return 0 end", ''],
  ['anybody speaks for the probe', "elseif state == 'p' and match(rest, '^%d+,(.*)$') == id then", "elseif state == 'p' then"],
  ['a silent probe blocks', "if not kind and r[6] % 4 >= 2 then kind = 'n' end", ''],
  ['too many return', '2 ^ (second + 1)', '2 ^ (second + 2)'],
  ['those that return are not counted', 'int(admitted + 1)', 'int(admitted + 0)'],
  ['a return takes longer', 'returning_ms = 6000', 'returning_ms = 6001'],
  // Epochs
  ['another epoch decides', "if ARGV[7] ~= '' and epoch ~= ARGV[7] then", 'if false then'],
  ['a Redis that learns decides', 'elseif learning and now < tonumber(learning) then', 'elseif false then'],
];

const BEAT: readonly Mutant[] = [
  ['grants above the whole', 'min(floor(WHOLE / #pods), WHOLE - others)', 'floor(WHOLE / #pods)'],
  ['the dead keep their grants', 'if not isLive[granted[i]] then', 'if false then'],
  ['pods live on', "call('ZREMRANGEBYSCORE', KEYS[1], '-inf', int(now))", ''],
  ['a pod that is back stays an orphan', 'if string.byte(record) == 45 then', 'if false then'],
  ['reservations are not renewed', "many('ZADD', KEYS[4], alive)", ''],
  ['slots are not renewed', 'if slots > 0 then', 'if false then'],
  ['orphans are never forgotten', 'if record and string.byte(record) ~= 45 then', 'if record then'],
  ['nobody has to wait for what others used', 'tonumber(ARGV[7]) > 0 and now + ARGV[7] or 0', '0'],
];

const USAGE: readonly Mutant[] = [
  ['an open circuit is shown as open for ever', 'and 1 or 2 end', 'and 1 or 1 end'],
  ['a cooldown is not shown', 'max(0, b.cd - now)', '0'],
];

const MUTANTS = { apply: APPLY, beat: BEAT, usage: USAGE };

function mutated(scripts: Scripts, script: ScriptName, text: string, instead: string): Scripts {
  const parts = scripts[script].split(text);
  // A text that is found no more would make a mutant that is none.
  expect(parts).toHaveLength(2);
  return { ...scripts, [script]: parts.join(instead) };
}

describeWithRedis('a mistake in the scripts is found', () => {
  const redis = emptiedRedis();

  describe.each(SCRIPT_NAMES)('%s', (script) => {
    test.each(MUTANTS[script])('%s', async (_name, text, instead) => {
      const scripts = mutated(loadScripts(), script, text, instead);
      let found = await compare(redis.client, scripts, new Edges(), 'edges');
      for (let seed = 1; seed <= 20 && !found; seed += 1) {
        const play = new Play({ leaseMs: 3_000, recordMs: 20_000, batch: 12, seed });
        found = await compare(redis.client, scripts, play, `${seed}`, 1_200);
      }
      expect(found).not.toBeNull();
      // What a script throws is found too, but shows nothing of the comparison.
      expect(String(found!.answer)).not.toMatch(/ERR/);
    });
  });
});
