-- Lift the expiry that plain arq clients put on payloads: a run may have to wait for longer than they think.
-- ARGV    for each queue: its name, the rank to go on from
-- Returns for each queue the rank to go on from next, 0 when its end was reached
local WIDTH = 200
local ranks = {}
for i = 1, #ARGV, 2 do
  local from = tonumber(ARGV[i + 1])
  local ids = call('ZRANGE', queue_key(ARGV[i]), from, from + WIDTH - 1)
  for _, id in ipairs(ids) do call('PERSIST', JOB .. id) end
  ranks[#ranks + 1] = #ids == WIDTH and from + WIDTH or 0
end
return ranks
