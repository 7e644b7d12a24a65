-- Health (the rules: src/budgets/health.ts), in the hash of the budget: cd cooldown until, cn its step, h:<model> the
-- circuit: c<failure time>,... closed; o<until> open; p<lease>,<id> half open with its probe; r<since>,<admitted>
-- returning; no field: closed without failures.

local circuit

local function circuits()
  if circuit then return circuit end
  circuit = {}
  local returning_ms = 6000

  -- Milliseconds until a request may pass, nil if one may now; then how it passes: 'p' a probe, 'r' one of the returning.
  function circuit.gate(text)
    local state, rest = sub(text, 1, 1), sub(text, 2)
    if state == 'o' then
      if now < tonumber(rest) then return tonumber(rest) - now end
      return nil, 'p'
    elseif state == 'p' then
      if now < tonumber(match(rest, '^%d+')) then return 0 end
      return nil, 'p'
    elseif state == 'r' then
      local since, admitted = match(rest, '^(%d+),(%d+)$')
      if now - since >= returning_ms then return end
      local second = max(0, floor((now - since) / 1000))
      if tonumber(admitted) >= 2 ^ (second + 1) then return since + (second + 1) * 1000 - now end
      return nil, 'r'
    end
  end

  -- The circuit after `how` a request passed the gate.
  function circuit.passed(text, how, id, lease)
    if how == 'p' then return 'p' .. int(now + lease) .. ',' .. id end
    local since, admitted = match(text, '^r(%d+),(%d+)$')
    return 'r' .. since .. ',' .. int(admitted + 1)
  end

  local function add(list, failures, window, open)
    local kept = {}
    for at in string.gmatch(list, '%d+') do
      if tonumber(at) > now - window then kept[#kept + 1] = at end
    end
    kept[#kept + 1] = int(now)
    if #kept >= failures then return 'o' .. int(now + open) end
    return 'c' .. table.concat(kept, ',')
  end

  -- The circuit (false: closed without failures) after a report of reservation `id`; the last three: of a failure.
  function circuit.after(text, id, kind, failures, window, open)
    local state, rest = 'c', ''
    if text then state, rest = sub(text, 1, 1), sub(text, 2) end
    if state == 'r' and now - match(rest, '^%d+') >= returning_ms then state, rest, text = 'c', '', false end
    if state == 'c' then
      if kind == 'f' then return add(rest, failures, window, open) end
      if kind ~= 'o' or rest == '' then return text end
      rest = match(rest, '^%d+,(.+)$')
      return rest and 'c' .. rest or false
    elseif state == 'r' then
      if kind == 'f' then return 'o' .. int(now + open) end
    elseif state == 'p' and match(rest, '^%d+,(.*)$') == id then
      if kind == 'f' then return 'o' .. int(now + open) end
      if kind == 'n' then return 'p0,' end
      return 'r' .. int(now) .. ',0'
    end
    return text
  end

  -- What is shown: 0 closed, 1 open, 2 half open, 3 returning.
  function circuit.shown(text)
    local state = text and sub(text, 1, 1) or 'c'
    if state == 'o' then return now < tonumber(sub(text, 2)) and 1 or 2 end
    if state == 'p' then return 2 end
    if state == 'r' and now - match(text, '%d+') < returning_ms then return 3 end
    return 0
  end

  return circuit
end
