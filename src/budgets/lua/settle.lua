-- settle: what a reservation turned out to use. Once only: the record's deletion is the guard.
-- KEYS  1 reservations, 2 their expiries, then per budget that may have been charged: 2i+1 its rings, 2i+2 its slots
-- ARGV  1 now (0 = Redis' clock), 2 id, 3 step ms, 4 steps, 5 ring expiry ms, then dimension, amount, ...
-- Answer 1 settled, 0 no such reservation, -1 the charged budget is not among KEYS (nothing was done)
--- @include "ring"

local id = ARGV[2]
local known = redis.call('HGET', KEYS[1], id)
if not known then return 0 end
local charges, ukey = string.match(known, '^[^\n]*\n([^\n]*)\n(.*)$')
local ckey
for i = 3, #KEYS, 2 do
  if KEYS[i] == ukey then ckey = KEYS[i + 1] end
end
if not ckey then return -1 end
redis.call('HDEL', KEYS[1], id)
redis.call('ZREM', KEYS[2], id)

local now = clock(ARGV[1])
local step, steps = tonumber(ARGV[3]), tonumber(ARGV[4])
local index = math.floor(now / step)
local actual = {}
for i = 6, #ARGV, 2 do actual[ARGV[i]] = tonumber(ARGV[i + 1]) end

-- Under-use goes back to the sub-bucket that it was taken from, if that still counts; never below zero.
local function give_back(d, taken, amount)
  local slot = d .. (taken % (steps + 1))
  local got = redis.call('HMGET', ukey, d .. 'K', slot)
  local top = tonumber(got[1] or -1)
  if taken > top or taken < math.max(index, top) - steps then return end
  local back = math.min(amount, tonumber(got[2] or 0))
  if back <= 0 then return end
  redis.call('HINCRBY', ukey, slot, int(-back))
  redis.call('HINCRBY', ukey, d .. 'S', int(-back))
end

for d, taken, amount in string.gmatch(charges, '(%a),(%d+),(%d+)') do
  taken, amount = tonumber(taken), tonumber(amount)
  if d == 'c' then
    redis.call('ZREM', ckey, id)
  elseif actual[d] and actual[d] < amount then
    give_back(d, taken, amount - actual[d])
  elseif actual[d] and actual[d] > amount then
    -- Debt: charged now whether or not it fits.
    ring_charge(ukey, ring_load(ukey, { d }, index, steps), { actual[d] - amount }, steps, ARGV[5])
  end
end
return 1
