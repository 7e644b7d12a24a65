-- reserve: the first candidate whose every ask fits is charged, entirely; the others are not touched.
-- KEYS  1 reservations, 2 their expiries, then per candidate: 2i+1 its rings, 2i+2 its concurrency slots
-- ARGV  1 now (0 = Redis' clock), 2 id, 3 step ms, 4 steps, 5 ring expiry ms, 6 slot lease ms, 7 record expiry ms,
--       8 number of candidates, then per candidate: number of asks, then per ask: dimension, limit, amount
-- Answer { 1 if this id had been decided before else 0, decision }
--   decision: chosen|dimension,wait,...|dimension,limit,used,reset,...  (refusals before the chosen; levels of the chosen)
-- A record is decision \n dimension,index,amount,... \n name of the rings' key
--- @include "ring"

local id = ARGV[2]
local known = redis.call('HGET', KEYS[1], id)
if known then return { 1, string.match(known, '^[^\n]*') } end

local now = clock(ARGV[1])
local step, steps, ttl = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local index = math.floor(now / step)
local refusals, at = {}, 9

local function admit(chosen, ukey, ckey, asks, rings, held)
  local levels, charges, amounts, slot = {}, {}, {}, false
  for i, r in ipairs(rings) do amounts[i] = r.amount end
  local renewed = ring_charge(ukey, rings, amounts, steps, ttl)
  for _, a in ipairs(asks) do
    local used, reset, top = 0, 0, 0
    if a.ring then
      local r = a.ring
      used, top = r.sum + a.amount, r.top
      if a.amount > 0 then reset = (top + steps + 1) * step - now
      else reset = ring_reset(ukey, r, now, step, steps) end
    else
      used = held + a.amount
      slot = slot or a.amount > 0
    end
    levels[#levels + 1] = a.d .. ',' .. int(a.limit) .. ',' .. int(used) .. ',' .. int(reset)
    charges[#charges + 1] = a.d .. ',' .. int(top) .. ',' .. int(a.amount)
  end
  if slot then
    redis.call('ZREMRANGEBYSCORE', ckey, '-inf', int(now))
    redis.call('ZADD', ckey, int(now + ARGV[6]), id)
    if renewed then redis.call('PEXPIRE', ckey, ttl) end
  end
  local dead = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', int(now), 'LIMIT', 0, 4)
  if #dead > 0 then
    redis.call('HDEL', KEYS[1], unpack(dead))
    redis.call('ZREM', KEYS[2], unpack(dead))
  end
  local text = chosen .. '|' .. table.concat(refusals, ',') .. '|' .. table.concat(levels, ',')
  redis.call('HSET', KEYS[1], id, text .. '\n' .. table.concat(charges, ',') .. '\n' .. ukey)
  redis.call('ZADD', KEYS[2], int(now + ARGV[7]), id)
  return { 0, text }
end

for c = 1, tonumber(ARGV[8]) do
  local ukey, ckey = KEYS[c * 2 + 1], KEYS[c * 2 + 2]
  local asks, names, count = {}, {}, tonumber(ARGV[at])
  local held
  at = at + 1
  for i = 1, count do
    local a = { d = ARGV[at], limit = tonumber(ARGV[at + 1]), amount = tonumber(ARGV[at + 2]) }
    at = at + 3
    asks[i] = a
    if a.d ~= 'c' then
      names[#names + 1] = a.d
      a.nth = #names
    else
      held = held or redis.call('ZCOUNT', ckey, '(' .. int(now), '+inf')
    end
  end
  local rings = ring_load(ukey, names, index, steps)
  -- Of several asks without room, the one that lasts longest is the reason; "never" lasts longest of all.
  local why, wait
  for _, a in ipairs(asks) do
    local r = a.nth and rings[a.nth]
    if r then a.ring, r.amount = r, a.amount end
    if (r and r.sum or held) + a.amount > a.limit then
      local w = 0
      if a.amount > a.limit then w = -1
      elseif r then w = ring_wait(ukey, r, a.limit - a.amount, now, step, steps) end
      if not why or (wait ~= -1 and (w == -1 or w > wait)) then why, wait = a.d, w end
    end
  end
  if not why then return admit(c - 1, ukey, ckey, asks, rings, held) end
  refusals[#refusals + 1] = why .. ',' .. int(wait)
end
return { 0, '-1|' .. table.concat(refusals, ',') .. '|' }
