-- Rings: one per rate dimension <d> in the hash of a budget. Fields: <d>K newest index, <d>S sum of the
-- sub-buckets K-steps..K, <d><index mod size> the sub-buckets. The newest index never decreases, so a clock that goes
-- back adds no room. Loading writes nothing; only a charge moves a ring.

local function clock(given)
  local now = tonumber(given)
  if now > 0 then return now end
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Lua would write large numbers with an exponent.
local function int(n) return string.format('%.0f', n) end

-- The rings named in `names`, as they stand at `index`. One HMGET unless more than one step has passed.
local function ring_load(key, names, index, steps)
  local size, fields, rings = steps + 1, {}, {}
  local slot = index % size
  for i, d in ipairs(names) do
    fields[i * 3 - 2], fields[i * 3 - 1], fields[i * 3] = d .. 'K', d .. 'S', d .. slot
  end
  if #fields == 0 then return rings end
  local got = redis.call('HMGET', key, unpack(fields))
  for i, d in ipairs(names) do
    local stored = tonumber(got[i * 3 - 2] or -1)
    local r = { d = d, stored = stored, top = index, sum = tonumber(got[i * 3 - 1] or 0), cur = 0, stale = {} }
    local cur = tonumber(got[i * 3] or 0)
    if stored == index then
      r.cur = cur
    elseif stored > index then
      r.top = stored
      r.cur = tonumber(redis.call('HGET', key, d .. (stored % size)) or 0)
    elseif stored >= 0 then
      -- Slots stored+1..index still hold what is one turn older: out of the window.
      for k = math.max(stored + 1, index - steps), index - 1 do r.stale[#r.stale + 1] = d .. (k % size) end
      if index - stored >= size then
        r.sum = 0
      else
        r.sum = r.sum - cur
        if #r.stale > 0 then
          for _, v in ipairs(redis.call('HMGET', key, unpack(r.stale))) do r.sum = r.sum - tonumber(v or 0) end
        end
      end
    end
    rings[i] = r
  end
  return rings
end

-- Milliseconds until the ring holds `room` or less. Reads a few of the oldest sub-buckets first, which is where a
-- budget under steady load has its answer; else the whole hash at once, cheaper than asking for sixty fields by name.
local function ring_wait(key, r, room, now, step, steps)
  local size, few, sum, fields, held = steps + 1, 8, r.sum, {}, {}
  local first = r.top - steps
  for i = 1, few do fields[i] = r.d .. ((first + i - 1) % size) end
  for i, v in ipairs(redis.call('HMGET', key, unpack(fields))) do held[fields[i]] = v end
  for k = first, r.stored do
    if k == first + few then
      local all = redis.call('HGETALL', key)
      for i = 1, #all, 2 do held[all[i]] = all[i + 1] end
    end
    sum = sum - tonumber(held[r.d .. (k % size)] or 0)
    if sum <= room then return (k + steps + 1) * step - now end
  end
  return 0
end

-- Milliseconds until the ring is empty.
local function ring_reset(key, r, now, step, steps)
  if r.sum == 0 then return 0 end
  return ring_wait(key, r, 0, now, step, steps)
end

-- Adds amounts[i] to the newest sub-bucket of rings[i], in one write; the expiry is renewed only when a ring moved.
-- Answers whether the expiry was renewed or nothing was written.
local function ring_charge(key, rings, amounts, steps, ttl)
  local set, gone, moved = {}, {}, false
  for i, r in ipairs(rings) do
    if amounts[i] > 0 then
      local n = #set
      set[n + 1], set[n + 2] = r.d .. 'S', int(r.sum + amounts[i])
      set[n + 3], set[n + 4] = r.d .. (r.top % (steps + 1)), int(r.cur + amounts[i])
      if r.top ~= r.stored then
        set[n + 5], set[n + 6] = r.d .. 'K', int(r.top)
        moved = true
        for _, f in ipairs(r.stale) do gone[#gone + 1] = f end
      end
    end
  end
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  if #set > 0 then redis.call('HSET', key, unpack(set)) end
  if moved then redis.call('PEXPIRE', key, ttl) end
  return moved or #set == 0
end
