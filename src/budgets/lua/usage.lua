-- usage: how full budgets are, and how well models; changes nothing.
-- KEYS  1 and 2 are not used, then per budget i as for apply
-- ARGV  1 to 5 as for apply, 6 number of budgets, then per budget: number of dimensions, then each; number of models, each
-- Answer per budget: used, reset ms per dimension; circuit (0 closed, 1 open, 2 half open, 3 returning), cooldown ms per model
--- @include "base"
--- @include "ring"
--- @include "money"
--- @include "health"
--- @include "budget"

local out, at = {}, 6
for i = 1, tonumber(ARGV[6]) do
  local b, dims, models = budget_at(i), {}, {}
  for _, list in ipairs({ dims, models }) do
    local n = tonumber(ARGV[at + 1])
    for j = 1, n do list[j] = ARGV[at + 1 + j] end
    at = at + 1 + n
  end
  for _, d in ipairs(dims) do want(b, d) end
  fetch(b)
  for _, d in ipairs(dims) do
    out[#out + 1] = used_of(b, d)
    out[#out + 1] = reset_of(b, d)
  end
  for _, model in ipairs(models) do
    fetch(b, model)
    out[#out + 1] = circuits().shown(b.h[model])
    out[#out + 1] = max(0, b.cd - now)
  end
end
return out
