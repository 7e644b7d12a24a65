-- Money: what a budget cost in a day (d) and a month (m) of UTC, in nano-dollars, in a hash of its own.
-- Fields per kind: <kind>K newest period (days since 1970; 12 x year + month counted from 0), <kind>C its cost, <kind>P
-- the cost of the period before. As with rings, the newest period never decreases.

local purse

local function money()
  if purse then return purse end
  purse = {}
  local day_ms, kept_ms = 86400000, 40 * 86400000
  local today = floor(now / day_ms)

  -- The month of a day, by years that begin in March, so that the leap day is a year's last.
  local function month_of(day)
    local z = day + 719468
    local era = floor(z / 146097)
    local rest = z - era * 146097
    local year = floor((rest - floor(rest / 1460) + floor(rest / 36524) - floor(rest / 146096)) / 365)
    local inside = rest - (365 * year + floor(year / 4) - floor(year / 100))
    return (era * 400 + year) * 12 + floor((5 * inside + 2) / 153) + 2
  end

  -- The first day of a month.
  local function first_day(month)
    local year, m = floor((month - 2) / 12), (month - 2) % 12
    local era = floor(year / 400)
    local y = year - era * 400
    return era * 146097 + y * 365 + floor(y / 4) - floor(y / 100) + floor((153 * m + 2) / 5) - 719468
  end

  local function new(kind, newest, cost, before)
    local p = { kind = kind, newest = tonumber(newest or -1), cost = tonumber(cost or 0), before = tonumber(before or 0) }
    p.period = max(p.newest, kind == 'd' and today or month_of(today))
    return p
  end

  -- Both purses of a budget, in one read.
  function purse.load(key)
    local got = call('HMGET', key, 'dK', 'dC', 'dP', 'mK', 'mC', 'mP')
    return { d = new('d', got[1], got[2], got[3]), m = new('m', got[4], got[5], got[6]) }
  end

  function purse.used(p) return p.newest == p.period and p.cost or 0 end

  -- Milliseconds until the period is over.
  function purse.left(p)
    local last = p.kind == 'd' and p.period + 1 or first_day(p.period + 1)
    return last * day_ms - now
  end

  -- Whether or not it fits. Answers the period.
  function purse.take(p, amount)
    if amount > 0 then
      if p.newest < p.period then
        p.before = p.newest == p.period - 1 and p.cost or 0
        p.newest, p.cost, p.moved = p.period, 0, true
      end
      p.cost, p.dirty = p.cost + amount, true
    end
    return p.period
  end

  -- To the period that it was taken from, if that is this one or the one before.
  function purse.give(p, period, amount)
    if period < p.period - 1 then return end
    if period == p.newest then p.cost, p.dirty = max(0, p.cost - amount), true
    elseif period == p.newest - 1 then p.before, p.dirty = max(0, p.before - amount), true end
  end

  function purse.save(key, purses)
    local set, moved = {}, false
    for kind, p in pairs(purses) do
      if p.dirty then
        local n = #set
        set[n + 1], set[n + 2], set[n + 3], set[n + 4] = kind .. 'C', int(p.cost), kind .. 'P', int(p.before)
        if p.moved then set[n + 5], set[n + 6], moved = kind .. 'K', int(p.newest), true end
      end
    end
    if #set > 0 then call('HSET', key, unpack(set)) end
    if moved then call('PEXPIRE', key, kept_ms) end
  end

  return purse
end
