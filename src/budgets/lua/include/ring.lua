-- Rings: one per rate dimension <d> in the hash of a budget. Fields: <d>K newest index, <d>S sum of the
-- sub-buckets K-steps..K, <d><index mod size> the sub-buckets. The newest index never decreases, so a clock that goes
-- back adds no room. Rings are read once per call and written at its end; only a charge moves a ring.

local step, steps = tonumber(ARGV[2]), tonumber(ARGV[3])
local size, index = steps + 1, floor(now / step)
local current = int(index % size)

-- `key` the budget's hash, then the fields <d>K, <d>S and <d><current> as read. In the ring:
-- top newest index as of now; sum what counts then; val sub-buckets as far as known; gone (if any) those that hold what
-- is one turn older, cleared when the ring moves; changed (if any) those to write beside the newest one;
-- kept the sum to write if the ring does not move; charged, dirty what there is to write.
local function ring_new(key, d, newest, stored_sum, value)
  local stored, sum, cur = tonumber(newest or -1), tonumber(stored_sum or 0), tonumber(value or 0)
  if stored == index then
    return { key = key, d = d, stored = stored, top = index, sum = sum, kept = sum, val = { [index % size] = cur } }
  end
  local r = { key = key, d = d, stored = stored, top = max(index, stored), sum = sum, kept = sum, val = {} }
  if stored >= 0 and stored < index then
    local fields, n = {}, 0
    r.gone = {}
    for k = max(stored + 1, index - steps), index do
      local slot = k % size
      r.val[slot], r.gone[slot] = 0, true
      if k ~= index then n = n + 1; fields[n] = d .. slot end
    end
    if index - stored >= size then r.sum = 0
    else
      r.sum = sum - cur
      if n > 0 then
        for _, v in ipairs(call('HMGET', key, unpack(fields))) do r.sum = r.sum - tonumber(v or 0) end
      end
    end
  end
  return r
end

local function ring_value(r, slot)
  local v = r.val[slot]
  if not v then
    v = r.stored < 0 and 0 or tonumber(call('HGET', r.key, r.d .. slot) or 0)
    r.val[slot] = v
  end
  return v
end

-- Whether or not it fits.
local function ring_take(r, k, amount)
  if amount <= 0 then return end
  local slot = k % size
  r.val[slot] = ring_value(r, slot) + amount
  r.sum, r.charged, r.dirty = r.sum + amount, true, true
  if r.gone then r.gone[slot] = nil end
  if k ~= r.top then
    r.changed = r.changed or {}
    r.changed[slot] = true
  end
end

-- To the sub-bucket that it was taken from, if that still counts; never below zero.
local function ring_give(r, k, amount)
  if k > r.top or k < r.top - steps then return end
  local slot = k % size
  local value = ring_value(r, slot)
  local back = min(amount, value)
  if back <= 0 then return end
  r.val[slot], r.sum, r.kept, r.dirty = value - back, r.sum - back, r.kept - back, true
  r.changed = r.changed or {}
  r.changed[slot] = true
end

-- The value at index k and of some after it: a few of the oldest sub-buckets first, which is where a budget under steady
-- load has its answer; then the whole hash at once, cheaper than asking for sixty fields by name.
local function ring_read(r, k)
  local few, d, val = 8, r.d, r.val
  if r.walked then
    if not r.all then
      local all = call('HGETALL', r.key)
      r.all = {}
      for i = 1, #all, 2 do r.all[all[i]] = all[i + 1] end
    end
    val[k % size] = tonumber(r.all[d .. k % size] or 0)
    return
  end
  local fields = {}
  r.walked = true
  for i = 1, few do fields[i] = d .. ((k + i - 1) % size) end
  for i, v in ipairs(call('HMGET', r.key, unpack(fields))) do
    local slot = (k + i - 1) % size
    val[slot] = val[slot] or tonumber(v or 0)
  end
end

-- Milliseconds until the ring holds `room` or less.
local function ring_wait(r, room)
  local sum, val = r.sum, r.val
  if sum <= room then return 0 end
  for k = r.top - steps, r.top do
    local slot = k % size
    if not val[slot] then
      if r.stored < 0 then val[slot] = 0 else ring_read(r, k) end
    end
    sum = sum - val[slot]
    if sum <= room then return (k + size) * step - now end
  end
  return 0
end

-- Appends the fields to write; answers whether the ring moved.
local function ring_fields(r, set)
  local d, n, newest = r.d, #set, r.top % size
  set[n + 1], set[n + 2] = d .. 'S', int(r.charged and r.sum or r.kept)
  if r.charged and r.val[newest] then set[n + 3], set[n + 4] = d .. newest, int(r.val[newest]) end
  if r.changed then
    for slot in pairs(r.changed) do
      n = #set
      set[n + 1], set[n + 2] = d .. slot, int(r.val[slot])
    end
  end
  if not r.charged or r.top == r.stored then return false end
  n = #set
  set[n + 1], set[n + 2] = d .. 'K', int(r.top)
  if r.gone then r.gone[newest] = nil end
  return true
end
