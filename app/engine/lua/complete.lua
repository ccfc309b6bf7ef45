-- Commit runs that ended by themselves or were cancelled: keep the result, remove all the rest.
-- ARGV    longest stream, then for each run: id, queue, lease, result ms, result, ending, unique key or '', event
-- Returns the ids that were not ours any more: another worker took them over, its result stands.
local lost, events = {}, {}
for i = 2, #ARGV, 8 do
  local id, queue, lease, ms, result, ending, key, event = unpack(ARGV, i, i + 7)
  if call('GET', LEASE .. id) ~= lease then
    lost[#lost + 1] = id
  else
    keep(id, result, tonumber(ms), ending)
    forget(id, queue)
    release_key(key, id)
    events[#events + 1] = event
  end
end
record(events, ARGV[1])
return lost
