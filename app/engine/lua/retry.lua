-- Put attempts back on their queues: failed ones later, released and snoozed ones without a charge.
-- ARGV    offset ms, longest stream, then for each run:
--         id, queue, lease, delay ms or '' to keep its place, 1 if the attempt counts, failure or '', event
-- Returns the ids that were not ours any more.
local now = now_ms(ARGV[1])
local FAILURES_KEPT = 100 -- of a run that is tried for ever; each is a few kB, and a dead letter unpacks them all
local lost, events = {}, {}
for i = 3, #ARGV, 7 do
  local id, queue, lease, delay, counts, failure, event = unpack(ARGV, i, i + 6)
  if call('GET', LEASE .. id) ~= lease then
    lost[#lost + 1] = id
  else
    if counts == '0' and call('DECR', ATTEMPTS .. id) < 1 then call('DEL', ATTEMPTS .. id) end
    if failure ~= '' then
      call('RPUSH', FAILURES .. id, failure)
      call('LTRIM', FAILURES .. id, -FAILURES_KEPT, -1)
    end
    if delay == '' then look_again(queue)
    else call('ZADD', QUEUE .. queue, score(now + tonumber(delay)), id) end
    call('DEL', LEASE .. id)
    events[#events + 1] = event
  end
end
record(events, ARGV[2])
return lost
