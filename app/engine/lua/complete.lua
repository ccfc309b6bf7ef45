-- Commit runs that ended by themselves or were cancelled: keep the result, remove all the rest.
-- ARGV    longest stream, then for each run: id, queue, lease, result ms, result, ending, unique key or '', event
-- Returns the ids that were not ours any more: another worker took them over, its result stands.
local WIDTH = 8
local leases, lost, events, gone, queued = {}, {}, {}, {}, {}
for i = 2, #ARGV, WIDTH do leases[#leases + 1] = LEASE .. ARGV[i] end
local held = call('MGET', unpack(leases))

for n, holder in ipairs(held) do
  local i = 2 + (n - 1) * WIDTH
  local id, queue, key = ARGV[i], ARGV[i + 1], ARGV[i + 6]
  if holder ~= ARGV[i + 2] then
    lost[#lost + 1] = id
  else
    keep(id, ARGV[i + 4], tonumber(ARGV[i + 3]), ARGV[i + 5])
    local from = #gone
    gone[from + 1], gone[from + 2] = JOB .. id, leases[n]
    gone[from + 3], gone[from + 4] = ATTEMPTS .. id, FAILURES .. id
    local ids = queued[queue] or {}
    ids[#ids + 1] = id
    queued[queue] = ids
    if key ~= '' then release_key(key, id) end
    events[#events + 1] = ARGV[i + 7]
  end
end

if #gone > 0 then call('DEL', unpack(gone)) end
local aborted = call('EXISTS', ABORT) == 1
for queue, ids in pairs(queued) do
  call('ZREM', QUEUE .. queue, unpack(ids))
  if aborted then call('ZREM', ABORT, unpack(ids)) end
end
record(events, ARGV[1])
return lost
