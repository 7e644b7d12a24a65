-- apply: operations of one pod, in order, all at one moment. What they change is written at the end.
-- KEYS  1 reservations, 2 their expiries, then per budget i: 3i its rings and health, 3i+1 its slots, 3i+2 its money
-- ARGV  1 now (0 = Redis' clock), 2 step ms, 3 steps, 4 ring expiry ms, 5 lease ms, 6 record ms, 7 epoch expected or '',
--       8 a JSON list: number of operations, the reservation of each ('@' if none), then each operation: kind, how many
--       elements follow, and these:
--   r reserve  1 if limits are kept else 0, candidates, then each: model, budget, asks, then each: dimension, limit, amount
--   s settle   budgets, each; dimensions, then each: dimension, amount; report
--   p report   budgets, each; report
--   e extend   budgets, each; dimensions, then each: dimension, amount so far
--   o orphan   budgets, each
--   a assert   budget; rates, then each: dimension, age ms, amount; costs, then each: dimension, amount; slots, each
--   A report is '-' none, o, n, t with milliseconds (-1 not said), or f with failures, window ms, open ms.
-- Answer one string of integers, a comma behind each, one operation after the other:
--   r  -1 learning; -2 another epoch; else 1 replayed + 2 probe + 4 not kept to, the chosen candidate (-1 none), refusals,
--      each: which ask (-1 cooldown, -2 circuit), wait ms; if not kept to: which ask, wait ms; levels, each: used, reset ms
--   others  1 done, 0 no such reservation (or it was not charged to one of these budgets)
--- @include "base"
--- @include "ring"
--- @include "money"
--- @include "health"
--- @include "budget"
--- @include "record"

-- Numbers are numbers in it, exact up to 2^53.
local list = cjson.decode(ARGV[8])
local total = list[1]
local at = 2 + total
local out, said = {}, 0
local DONE, NOTHING = '1,', '0,'

local function say(text)
  said = said + 1
  out[said] = text
end

-- Lua's own way to text has fourteen digits. '%d' is the fastest, but of a C long, which may have 32 bits.
local function integers(list, first, last)
  local each = '%d,'
  for i = first, last do
    if list[i] >= 2147483648 then each = '%.0f,' end
  end
  return format(string.rep(each, last - first + 1), unpack(list, first, last))
end

local function read()
  at = at + 1
  return list[at - 1]
end

local undecided
do
  local got = call('HMGET', KEYS[1], '@', unpack(list, 2, 1 + total))
  for i = 1, total do records[list[1 + i]] = got[i + 1] end
  local epoch, learning
  if got[1] then epoch, learning = match(got[1], '^(.*):(%d+)$') end
  if ARGV[7] ~= '' and epoch ~= ARGV[7] then undecided = '-2,'
  elseif learning and now < tonumber(learning) then undecided = '-1,' end
end

-- Of several asks without room, the one that lasts longest is the reason; "never" lasts longest of all.
local function longest(b, first, last)
  local which, wait
  for p = first, last, 3 do
    local d, limit, amount = list[p], list[p + 1], list[p + 2]
    if used_of(b, d) + amount > limit then
      local w = wait_of(b, d, limit, amount)
      if not which or (wait ~= -1 and (w == -1 or w > wait)) then which, wait = (p - first) / 3, w end
    end
  end
  return which, wait
end

-- Charges the asks and makes the record.
local function admit(id, chosen, b, model, how, refusals, which, wait, first, last)
  local r = { b.key, model, -1, -1, 0, (how == 'p' and 2 or 0) + (which and 4 or 0), chosen, #refusals / 2 }
  local n, asks = 8, (last - first + 1) / 3
  for i = 1, #refusals do r[n + i] = refusals[i] end
  n = n + #refusals
  if which then
    r[n + 1], r[n + 2] = which, wait
    n = n + 2
  end
  r[n + 1] = asks
  n = n + 1
  r[5] = n + 2 * asks - 5
  for p = first, last, 3 do
    local d, amount, k = list[p], list[p + 2], n + 2 * asks + p - first
    r[k + 1], r[k + 2], r[k + 3] = d, take(b, d, amount, id), amount
  end
  for p = first, last, 3 do
    r[n + 1], r[n + 2] = used_of(b, list[p]), reset_of(b, list[p])
    n = n + 2
  end
  if how then circuit_set(b, model, circuits().passed(b.h[model], how, id, LEASE_MS)) end
  record_set(id, r)
  orphans[id], leases[id] = false, now + LEASE_MS
  return r
end

-- The first candidate that is well and whose every ask fits is charged, entirely; the others are not touched.
local function decide(id)
  local keep, refusals, n = read() == 1, {}, 0
  for c = 1, read() do
    local model, b, asks = list[at], budget_at(list[at + 1]), list[at + 2]
    local first, last, which, wait, how = at + 3, at + 2 + 3 * asks, nil, nil, nil
    at = last + 1
    for p = first, last, 3 do want(b, list[p]) end
    fetch(b, model)
    if now < b.cd then which, wait = -1, b.cd - now
    else
      if b.h[model] then wait, how = circuits().gate(b.h[model]) end
      if wait then which = -2
      else
        which, wait = longest(b, first, last)
        if not which or not keep then return admit(id, c - 1, b, model, how, refusals, which, wait, first, last) end
      end
    end
    refusals[n + 1], refusals[n + 2] = which, wait
    n = n + 2
  end
  say('0,-1,' .. n / 2 .. ',' .. integers(refusals, 1, n) .. '0,')
end

local run = {}

function run.r(id)
  if undecided then return say(undecided) end
  local known = record_of(id)
  local r = known or decide(id)
  if not r then return end
  if known then say(r[6] + 1 .. ',' .. integers(r, 7, 5 + r[5]))
  else say(integers(r, 6, 5 + r[5])) end
end

-- What follows upon a reservation.
local function later()
  -- The reservation and its budget, if that is one of those named.
  local function charged(id)
    local r, b = record_of(id), nil
    for _ = 1, read() do
      local i = read()
      if r and KEYS[3 * i] == r[1] then b = budget_at(i) end
    end
    return b and r, b
  end

  local function amounts()
    local named = {}
    for _ = 1, read() do
      named[list[at]] = list[at + 1]
      at = at + 2
    end
    return named
  end

  local function report()
    local kind = read()
    if kind == 'f' then return kind, read(), read(), read() end
    if kind == 't' then return kind, read() end
    if kind ~= '-' then return kind end
  end

  local function give(b, d, taken, amount)
    if d == 'd' or d == 'm' then money().give(purse_of(b, d), taken, amount)
    else ring_give(ring_of(b, d), taken, amount) end
  end

  -- Makes the charges of the named dimensions what `named` says: what is too much goes back to where it was taken from,
  -- the last charge first; what is too little is charged now, whether or not it fits. `model`: to be read along.
  local function correct(b, r, id, named, model)
    local first, last = r[5] + 6, #r
    for i = first, last, 3 do
      local d = r[i]
      if named[d] then named[d] = named[d] - r[i + 2] end
    end
    for i = first, last, 3 do
      if (named[r[i]] or 0) ~= 0 then want(b, r[i]) end
    end
    fetch(b, model)
    for i = last - 2, first, -3 do
      local d, more = r[i], named[r[i]]
      if more and more < 0 then
        local part = min(-more, r[i + 2])
        give(b, d, r[i + 1], part)
        r[i + 2], named[d] = r[i + 2] - part, more + part
      elseif more and more > 0 then
        local place, n = take(b, d, more, id), #r
        if place == r[i + 1] then r[i + 2] = r[i + 2] + more
        else r[n + 1], r[n + 2], r[n + 3] = d, place, more end
        named[d] = nil
      end
    end
  end

  local function free(b, r, id)
    for i = r[5] + 6, #r, 3 do
      if r[i] == 'c' then slot_free(b, id) end
    end
  end

  -- Once only: the record's end is the guard.
  function run.s(id)
    local r, b = charged(id)
    local actual, kind, x, y, z = amounts(), report()
    if not r then return say(NOTHING) end
    -- A probe that ends without a word must not keep the next one waiting.
    if not kind and r[6] % 4 >= 2 then kind = 'n' end
    correct(b, r, id, actual, kind and r[2])
    free(b, r, id)
    if kind then budget_report(b, r[2], id, kind, x, y, z) end
    record_set(id, false)
    say(DONE)
  end

  function run.p(id)
    local r, b = charged(id)
    if r then budget_report(b, r[2], id, report()) end
    say(r and DONE or NOTHING)
  end

  function run.e(id)
    local r, b = charged(id)
    local far, totals, cost = amounts(), {}, false
    if not r then return say(NOTHING) end
    for i = r[5] + 6, #r, 3 do totals[r[i]] = (totals[r[i]] or 0) + r[i + 2] end
    for d, figure in pairs(far) do
      if totals[d] and d == 'd' then r[3], cost = figure, true end
      if totals[d] and d == 'm' then r[4], cost = figure, true end
      if figure <= (totals[d] or 0) then far[d] = nil end
    end
    if cost or next(far) then
      correct(b, r, id, far)
      record_set(id, r)
    end
    say(DONE)
  end

  -- Rates stay charged and slide out; money goes down to what was told last; a late settle still finds the record.
  function run.o(id)
    local r, b = charged(id)
    if not r or orphans[id] then return say(NOTHING) end
    local lease = leases[id] or tonumber(call('ZSCORE', KEYS[2], id) or 0)
    if lease > now then return say(NOTHING) end
    correct(b, r, id, { d = r[3] >= 0 and r[3] or nil, m = r[4] >= 0 and r[4] or nil })
    free(b, r, id)
    record_set(id, r)
    orphans[id], leases[id] = true, now + RECORD_MS
    say(DONE)
  end

  function run.a()
    local b = budget_at(read())
    for _ = 1, read() do
      local d, age, amount = list[at], list[at + 1], list[at + 2]
      local r, k = ring_of(b, d), floor((now - age) / step)
      at = at + 3
      if k >= r.top - steps then ring_take(r, k, amount) end
    end
    for _ = 1, read() do
      take(b, list[at], list[at + 1])
      at = at + 2
    end
    for _ = 1, read() do
      slot_take(b, read())
    end
    say(DONE)
  end
end

for i = 1, total do
  local kind, following = list[at], at + 2 + list[at + 1]
  at = at + 2
  if not run[kind] then later() end
  run[kind](list[1 + i])
  at = following
end
for _, b in pairs(budgets) do budget_save(b) end
records_save()
return table.concat(out)
