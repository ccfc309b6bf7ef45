-- Put attempts back on their queues: failed ones later, released and snoozed ones without a charge.
-- ARGV    offset ms, longest stream, then for each run:
--         id, queue, lease, attempt, 1 if it counts, delay ms or '' to keep its place, failure or '', event
-- Returns each id that was not ours any more, and the lease it has now or ''.
local now = now_ms(ARGV[1])
local FAILURES_KEPT = 100 -- of a run that is tried for ever; each is a few kB, and a dead letter unpacks them all
local lost, events = {}, {}

-- An attempt that came to an end has killed nobody; one that was given back has at least not begun.
local function settle(id, ended)
  local all, _, lived, workers, queue = crashes_of(id)
  if all > 0 then keep_crashes(id, all, 0, lived, ended and '' or workers, queue) end
end

for i = 3, #ARGV, 8 do
  local id, queue, lease, attempt, counts, delay, failure, event = unpack(ARGV, i, i + 7)
  local held = call('GET', LEASE .. id)
  if held ~= lease then
    give_up(lost, id, held)
  else
    if counts == '1' then call('SET', ATTEMPTS .. id, attempt) else uncount(id, tonumber(attempt)) end
    if tonumber(attempt) > 1 then settle(id, counts == '1') end
    if failure ~= '' then
      call('RPUSH', FAILURES .. id, failure)
      call('LTRIM', FAILURES .. id, -FAILURES_KEPT, -1)
    end
    if delay == '' then -- others are told of a queue that changes
      look_again(queue)
      call('ZINCRBY', queue_key(queue), 0.001, id)
    else
      call('ZADD', queue_key(queue), score(now + tonumber(delay)), id)
    end
    call('DEL', LEASE .. id)
    events[#events + 1] = event
  end
end
record(events, ARGV[2])
return lost
