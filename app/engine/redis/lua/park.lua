-- Set aside runs this worker can't run: a name it doesn't know, or a payload newer than its code.
-- They wait at the end of time, without lease or charge, until a worker that can restores them.
-- ARGV    longest stream, then for each run: id, queue, lease, attempt, name, version, event
-- Returns each id that was not ours any more, and the lease it has now or ''.
local END_OF_TIME = '253402300799000' -- the last second of the year 9999, in ms
local lost, events = {}, {}
for i = 2, #ARGV, 7 do
  local id, queue, lease, attempt, name, version, event = unpack(ARGV, i, i + 6)
  local held = call('GET', LEASE .. id)
  if held ~= lease then
    give_up(lost, id, held)
  else
    uncount(id, tonumber(attempt))
    call('DEL', LEASE .. id)
    call('PERSIST', JOB .. id)
    local due = call('ZSCORE', queue_key(queue), id)
    call('ZADD', queue_key(queue), END_OF_TIME, id)
    note_parked(id, name .. '|' .. version .. '|' .. queue, due or score(0))
    events[#events + 1] = event
  end
end
record(events, ARGV[1])
return lost
