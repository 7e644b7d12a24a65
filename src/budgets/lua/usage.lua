-- usage: how full budgets are; changes nothing.
-- KEYS  per budget: 2i-1 its rings, 2i its concurrency slots
-- ARGV  1 now (0 = Redis' clock), 2 step ms, 3 steps, then per budget: number of dimensions, then each dimension
-- Answer used, reset ms per dimension, in the order asked
--- @include "ring"

local now = clock(ARGV[1])
local step, steps = tonumber(ARGV[2]), tonumber(ARGV[3])
local index = math.floor(now / step)
local out, at = {}, 4
for b = 1, #KEYS / 2 do
  local ukey, ckey = KEYS[b * 2 - 1], KEYS[b * 2]
  for i = at + 1, at + tonumber(ARGV[at]) do
    if ARGV[i] == 'c' then
      out[#out + 1] = redis.call('ZCOUNT', ckey, '(' .. int(now), '+inf')
      out[#out + 1] = 0
    else
      local r = ring_load(ukey, { ARGV[i] }, index, steps)[1]
      out[#out + 1] = r.sum
      out[#out + 1] = ring_reset(ukey, r, now, step, steps)
    end
  end
  at = at + 1 + tonumber(ARGV[at])
end
return out
