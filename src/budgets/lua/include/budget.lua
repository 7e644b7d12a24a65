-- A budget during one call: read when first needed, in one go; kept for the operations that follow; written at the end.
-- Its rings are b.r, b.t, b.i and b.o; h its models' circuits (false: none); cd and cn its cooldown; purses its money;
-- slots how many are held; taken those taken in this call.

local RING_MS, LEASE_MS = tonumber(ARGV[4]), tonumber(ARGV[5])
local RATES = { 'r', 't', 'i', 'o' }
local IS_RATE = { r = true, t = true, i = true, o = true }

local budgets = {}

local function budget_at(i)
  local b = budgets[i]
  if not b then
    b = { key = KEYS[3 * i], slot_key = KEYS[3 * i + 1], money_key = KEYS[3 * i + 2], h = {} }
    budgets[i] = b
  end
  return b
end

-- What the next fetch reads, and the dimension at each third place.
local fields, wanted, count = {}, {}, 0

local function want(b, d)
  if b[d] or not IS_RATE[d] then return end
  fields[count + 1], fields[count + 2], fields[count + 3] = d .. 'K', d .. 'S', d .. current
  count = count + 3
  wanted[count] = d
end

-- The rings that are wanted, and the cooldown and circuit of `model` (or nil), in one HMGET of what is not yet known.
local function fetch(b, model)
  local rings = count
  if model and b.h[model] == nil then
    fields[count + 1], fields[count + 2], fields[count + 3] = 'h:' .. model, 'cd', 'cn'
    count = count + 3
  end
  if count == 0 then return end
  local got = call('HMGET', b.key, unpack(fields, 1, count))
  if count > rings then
    b.h[model] = got[count - 2]
    b.cd, b.cn = b.cd or tonumber(got[count - 1] or 0), b.cn or tonumber(got[count] or 0)
  end
  for i = 3, rings, 3 do
    local d = wanted[i]
    b[d] = ring_new(b.key, d, got[i - 2], got[i - 1], got[i])
  end
  count = 0
end

local function ring_of(b, d)
  if not b[d] then
    want(b, d)
    fetch(b)
  end
  return b[d]
end

local function purse_of(b, d)
  b.purses = b.purses or money().load(b.money_key)
  return b.purses[d]
end

-- Slots that are held, those taken in this call included.
local function slots_used(b)
  b.slots = b.slots or call('ZCOUNT', b.slot_key, '(' .. int(now), '+inf')
  return b.slots
end

local function slot_take(b, id)
  local used = slots_used(b)
  b.taken = b.taken or {}
  if b.taken[id] then return end
  if tonumber(call('ZSCORE', b.slot_key, id) or 0) <= now then b.slots = used + 1 end
  b.taken[id] = true
end

local function slot_free(b, id)
  if b.taken and b.taken[id] then
    b.taken[id] = nil
    b.slots = b.slots - 1
  elseif b.slots and tonumber(call('ZSCORE', b.slot_key, id) or 0) > now then
    b.slots = b.slots - 1
  end
  call('ZREM', b.slot_key, id)
end

local function used_of(b, d)
  local r = b[d]
  if r then return r.sum end
  if d == 'c' then return slots_used(b) end
  if d == 'd' or d == 'm' then return money().used(purse_of(b, d)) end
  return ring_of(b, d).sum
end

-- Milliseconds until `amount` more of `d` fit under `limit`, of which there is no room now; -1 never, 0 not known.
local function wait_of(b, d, limit, amount)
  if amount > limit then return -1 end
  if d == 'c' then return 0 end
  if d == 'd' or d == 'm' then return money().left(purse_of(b, d)) end
  return ring_wait(ring_of(b, d), limit - amount)
end

-- Milliseconds until nothing of `d` is used any more.
local function reset_of(b, d)
  if d == 'c' or used_of(b, d) == 0 then return 0 end
  if d == 'd' or d == 'm' then return money().left(purse_of(b, d)) end
  local r = b[d]
  -- The newest sub-bucket that holds something is mostly the last one.
  if (r.val[r.top % size] or 0) > 0 then return (r.top + size) * step - now end
  return ring_wait(r, 0)
end

-- Charges now, whether or not it fits. Answers the sub-bucket or the period.
local function take(b, d, amount, id)
  if d == 'd' or d == 'm' then return money().take(purse_of(b, d), amount) end
  if d == 'c' then
    if amount > 0 then slot_take(b, id) end
    return 0
  end
  local r = ring_of(b, d)
  ring_take(r, r.top, amount)
  return r.top
end

local function circuit_set(b, model, text)
  if text == b.h[model] then return end
  b.h[model] = text
  b.turned = b.turned or {}
  b.turned[model] = true
end

-- What reservation `id` says of `model`; of a failure: failures, window ms, open ms; of a throttling: ms or -1.
local function budget_report(b, model, id, kind, x, window, open)
  fetch(b, model)
  if kind == 'f' then b.keep = now + max(window, open) + RING_MS end
  if kind == 'f' or b.h[model] then circuit_set(b, model, circuits().after(b.h[model], id, kind, x, window, open)) end
  local cd, cn = b.cd, b.cn
  if kind == 'o' then cn = 0
  elseif kind == 't' then
    if x < 0 then
      cn = cn + 1
      x = min(60000, 1000 * 2 ^ (cn - 1))
    end
    cd = max(cd, now + x)
  end
  if cd ~= b.cd or cn ~= b.cn then b.cd, b.cn, b.cooled = cd, cn, true end
end

-- Writes what changed. What a full Redis refuses comes first, or it would be taken after all.
local function budget_save(b)
  local set, clear, moved, rated = {}, nil, false, false
  for i = 1, 4 do
    local r = b[RATES[i]]
    if r and r.dirty then
      local moves = ring_fields(r, set)
      if moves and r.gone then
        clear = clear or {}
        for slot in pairs(r.gone) do clear[#clear + 1] = r.d .. slot end
      end
      moved, rated = moved or moves, rated or r.charged
    end
  end
  if b.cooled then
    local n = #set
    set[n + 1], set[n + 2], set[n + 3], set[n + 4] = 'cd', int(b.cd), 'cn', int(b.cn)
  end
  if b.turned then
    for model in pairs(b.turned) do
      local n, text = #set, b.h[model]
      if text then set[n + 1], set[n + 2] = 'h:' .. model, text
      else
        clear = clear or {}
        clear[#clear + 1] = 'h:' .. model
      end
    end
  end
  local keep
  if moved or b.cooled or b.turned then
    -- A cooldown, and what is to be remembered of failures ('hk'), may be longer than the ring.
    local cooled, remembered = unpack(call('HMGET', b.key, 'cd', 'hk'))
    remembered = tonumber(remembered or 0)
    if (b.keep or 0) > remembered then
      remembered = b.keep
      local n = #set
      set[n + 1], set[n + 2] = 'hk', int(remembered)
    end
    keep = max(b.cd or tonumber(cooled or 0), remembered)
  end
  if #set > 0 then many('HSET', b.key, set) end
  if clear then many('HDEL', b.key, clear) end
  if keep then call('PEXPIRE', b.key, int(max(RING_MS, keep - now))) end
  if b.purses then money().save(b.money_key, b.purses) end
  if b.taken then
    local slots = {}
    for id in pairs(b.taken) do
      local n = #slots
      slots[n + 1], slots[n + 2] = int(now + LEASE_MS), id
    end
    if #slots > 0 then many('ZADD', b.slot_key, slots) end
    call('ZREMRANGEBYSCORE', b.slot_key, '-inf', int(now))
    if moved or not rated then call('PEXPIRE', b.slot_key, RING_MS) end
  end
end
