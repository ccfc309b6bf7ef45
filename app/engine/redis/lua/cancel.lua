-- Cancel a run: a queued one ends here, a running one is told through arq's abort set.
-- ARGV    offset ms, longest stream, id, queue, result ms, result, unique key or '', event
-- Returns 'cancelled' | 'asked' | 'gone'
local now = now_ms(ARGV[1])
local id, queue, ms, result, key, event = unpack(ARGV, 3, 8)
if call('EXISTS', JOB .. id) == 0 then return 'gone' end
if is_held(call('GET', LEASE .. id)) then
  call('ZADD', ABORT, score(now), id)
  return 'asked'
end
keep(id, result, tonumber(ms), 'cancelled')
forget(id, queue)
call('DEL', BOOK .. id)
forget_parked(id)
leave_line(id)
release_key(key, id)
record({event}, ARGV[2])
return 'cancelled'
