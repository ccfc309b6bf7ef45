-- End runs without success: each becomes a dead letter that keeps its payload and what went wrong.
-- ARGV    offset ms, longest stream, then for each run:
--         id, queue, lease, job, result ms, result, failure, its cause's name, the cause,
--         how many bytes of the payload to keep or -1 for all, unique key or '', event
-- Returns each id that was not ours any more, and the lease it has now or ''.
-- What nobody can read, and a stranger put there under the id of a run that is over, changes nothing that the run
-- has left: its result stands, and its dead letter if it has one.
local now = now_ms(ARGV[1])
local lost, events = {}, {}

local function is_buried(id) return call('EXISTS', DEAD_LETTER .. id) == 1 end

for i = 3, #ARGV, 12 do
  local id, queue, lease, job, ms, result, failure, group, cause, most, key, event = unpack(ARGV, i, i + 11)
  local held = call('GET', LEASE .. id)
  if held ~= lease then
    give_up(lost, id, held)
  else
    local died = score(now + (i - 3) / 12 * 0.001) -- keeps the order of a batch
    local payload = string.sub(payload_of(id) or '', 1, tonumber(most))
    local letter = {'job', job, 'queue', queue, 'died', died, 'payload', payload, 'group', group}
    local failures = call('LRANGE', FAILURES .. id, 0, -1)
    failures[#failures + 1] = failure
    for n, each in ipairs(failures) do
      letter[#letter + 1] = 'failure:' .. n
      letter[#letter + 1] = each
    end
    local is_strange = tonumber(most) >= 0 and is_over(id)
    if not (is_strange and is_buried(id)) then
      unbury(id)
      call('HSET', DEAD_LETTER .. id, unpack(letter))
      call('ZADD', DEAD, died, id)
      call('ZADD', DEAD_GROUP .. group, died, id)
      call('HSET', DEAD_GROUPS, group, cause)
    end
    if not is_strange then
      call('DEL', RESULT .. id, FINISHED .. id)
      if tonumber(ms) > 0 then call('SET', RESULT .. id, result, 'PX', ms) end
      events[#events + 1] = event
    end
    forget(id, queue)
    release_key(key, id)
  end
end
record(events, ARGV[2])
return lost
