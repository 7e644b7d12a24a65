-- Reservations: id -> '+' (or '-': an orphan) and a packed list { 1 key of the charged budget, 2 model, 3 and 4 what it
-- cost so far by day and month as told last (-1 not told), 5 length n of the answer, then the answer to its reserve, then
-- the charges: dimension, sub-bucket or period, amount, ... }. Field '@' of the same hash is the epoch: <id>:<learning until>, '@t' the newest beat.

local RECORD_MS = tonumber(ARGV[6])

-- By id: the record as read, false if there is none, the list once it was looked into. To write: those touched.
local records, orphans, leases, touched = {}, {}, {}, {}

local function record_of(id)
  local r = records[id]
  if type(r) == 'string' then
    orphans[id] = string.byte(r) == 45
    r = cmsgpack.unpack(sub(r, 2))
    records[id] = r
  end
  return r
end

local function record_set(id, r)
  records[id] = r
  touched[id] = true
end

local function records_save()
  local set, due, gone = {}, {}, nil
  for id in pairs(touched) do
    local r = records[id]
    if r then
      local n = #set
      set[n + 1], set[n + 2] = id, (orphans[id] and '-' or '+') .. cmsgpack.pack(r)
      if leases[id] then
        n = #due
        due[n + 1], due[n + 2] = int(leases[id]), id
      end
    else
      gone = gone or {}
      gone[#gone + 1] = id
    end
  end
  if #set > 0 then many('HSET', KEYS[1], set) end
  if #due > 0 then many('ZADD', KEYS[2], due) end
  if gone then
    many('HDEL', KEYS[1], gone)
    many('ZREM', KEYS[2], gone)
  end
end
