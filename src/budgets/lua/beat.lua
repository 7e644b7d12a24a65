-- beat: a pod lives, and so do these reservations of its. The pod learns the epoch, its share and who is orphaned.
-- KEYS  1 pods, 2 grants, 3 reservations, 4 their expiries, then 4+i concurrency slots of the budgets that ARGV refers to
-- ARGV  1 now (0 = Redis' clock), 2 pod, 3 heartbeat ms (0 = the pod leaves), 4 key expiry ms, 5 lease ms, 6 new epoch,
--       7 its learning ms, 8 the newest beat that the pod knows of, then per reservation: id, number i of its slots' key (0 =
--       holds no slot)
-- Answer pods, grant in millionths, epoch, learning ms left, newest beat, then per orphan: id, key of its budget
--- @include "base"

local WHOLE, MOST = 1000000, 50
local pod, stays, lease = ARGV[2], tonumber(ARGV[3]) > 0, tonumber(ARGV[5])

-- What a full Redis refuses comes first: behind another write it would be taken, and Redis would look well.
if stays then call('ZADD', KEYS[1], int(now + ARGV[3]), pod) else call('ZREM', KEYS[1], pod) end
call('ZREMRANGEBYSCORE', KEYS[1], '-inf', int(now))

local kept = call('HMGET', KEYS[3], '@', '@t')
local epoch, learning = string.match(kept[1] or '', '^(.*):(%d+)$')
local newest = tonumber(kept[2] or 0)
-- Restored from data of before that beat, it is as good as empty.
if not epoch or newest < tonumber(ARGV[8]) then
  epoch, learning = ARGV[6], tonumber(ARGV[7]) > 0 and now + ARGV[7] or 0
  call('HSET', KEYS[3], '@', epoch .. ':' .. int(learning))
end
newest = max(newest, now)
call('HSET', KEYS[3], '@t', int(newest))

-- What one pod has, no other gets before the next beat of the first: together they never have more than the whole.
local pods, others = call('ZRANGE', KEYS[1], 0, -1), 0
local granted, dead = call('HGETALL', KEYS[2]), {}
local isLive = {}
for _, p in ipairs(pods) do isLive[p] = true end
for i = 1, #granted, 2 do
  if not isLive[granted[i]] then dead[#dead + 1] = granted[i]
  elseif granted[i] ~= pod then others = others + granted[i + 1] end
end
many('HDEL', KEYS[2], dead)
local grant = stays and min(floor(WHOLE / #pods), WHOLE - others) or 0
if stays then call('HSET', KEYS[2], pod, int(grant)) end

local ids, alive = {}, {}
for i = 9, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
for first = 1, #ids, 1000 do
  local known = call('HMGET', KEYS[3], unpack(ids, first, min(first + 999, #ids)))
  for j, record in ipairs(known) do
    local id, slots = ids[first + j - 1], tonumber(ARGV[8 + 2 * (first + j - 1)])
    -- A slot that ran out while its pod was cut off is taken again: it is in use. Not after a settle, which ends the record.
    if record then
      if slots > 0 then call('ZADD', KEYS[4 + slots], int(now + lease), id) end
      if string.byte(record) == 45 then call('HSET', KEYS[3], id, '+' .. string.sub(record, 2)) end
      alive[#alive + 1] = int(now + lease)
      alive[#alive + 1] = id
    end
  end
end
many('ZADD', KEYS[4], alive)

local answer, over = { #pods, grant, epoch, max(0, learning - now), newest }, {}
local due = call('ZRANGEBYSCORE', KEYS[4], '-inf', int(now), 'LIMIT', 0, MOST)
if #due > 0 then
  for i, record in ipairs(call('HMGET', KEYS[3], unpack(due))) do
    if record and string.byte(record) ~= 45 then
      answer[#answer + 1] = due[i]
      answer[#answer + 1] = cmsgpack.unpack(string.sub(record, 2))[1]
    else over[#over + 1] = due[i] end
  end
end
many('HDEL', KEYS[3], over)
many('ZREM', KEYS[4], over)
for i = 1, #KEYS do call('PEXPIRE', KEYS[i], ARGV[4]) end
return answer
