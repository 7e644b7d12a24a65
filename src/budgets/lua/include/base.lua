-- What every script needs. A script's functions are made anew at each call, so those that are rarely needed are made when
-- they are: money(), circuits() and the like answer a table of functions.

local call, KEYS, ARGV = redis.call, KEYS, ARGV
local floor, max, min, sub, match, format = math.floor, math.max, math.min, string.sub, string.match, string.format

-- ARGV[1]; 0 stands for Redis' own clock.
local now = tonumber(ARGV[1])
if now == 0 then
  local t = call('TIME')
  now = t[1] * 1000 + floor(t[2] / 1000)
end

-- Lua would write large numbers with an exponent.
local function int(n) return format('%.0f', n) end

-- One command with a list of arguments of any length (in pairs); Lua's stack holds some thousands.
local function many(command, key, list)
  for i = 1, #list, 1000 do call(command, key, unpack(list, i, min(i + 999, #list))) end
end
