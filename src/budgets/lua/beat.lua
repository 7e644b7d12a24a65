-- beat: a pod lives, and so do these reservations of its.
-- KEYS  1 pods, 2 reservations, 3 their expiries, then 3+i concurrency slots of the budgets that ARGV refers to
-- ARGV  1 now (0 = Redis' clock), 2 pod, 3 heartbeat ms (0 = the pod leaves), 4 key expiry ms, 5 slot lease ms,
--       6 record expiry ms, then per reservation: id, number i of its slots' key (0 = holds no slot)
-- Answer number of live pods
--- @include "ring"

local now = clock(ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', int(now))
if tonumber(ARGV[3]) > 0 then redis.call('ZADD', KEYS[1], int(now + ARGV[3]), ARGV[2])
else redis.call('ZREM', KEYS[1], ARGV[2]) end

for i = 7, #ARGV, 2 do
  local id, slots = ARGV[i], tonumber(ARGV[i + 1])
  -- A slot that ran out while its pod was cut off is taken again: it is in use. Not after a settle, which ends the record.
  if redis.call('HEXISTS', KEYS[2], id) == 1 then
    if slots > 0 then redis.call('ZADD', KEYS[3 + slots], int(now + ARGV[5]), id) end
    redis.call('ZADD', KEYS[3], int(now + ARGV[6]), id)
  end
end
for i = 1, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
return redis.call('ZCARD', KEYS[1])
