-- How a queue stands. Running runs are those that a live worker holds, among the first `LOOKED_AT` that are
-- due: they were due first. A step has to be short, however long the queue.
-- ARGV    offset ms, queue
-- Returns ready, running, deferred, parked, and how many ms the longest waiting ready run has waited
local END_OF_TIME, LOOKED_AT = 253402300799000, 5000
local now, key = now_ms(ARGV[1]), queue_key(ARGV[2])
local parked = call('ZCOUNT', key, END_OF_TIME, '+inf')
local due = call('ZCOUNT', key, '-inf', score(now))
local running, waited = 0, 0
local found = call('ZRANGE', key, 0, LOOKED_AT - 1, 'WITHSCORES')
for i = 1, #found, 2 do
  local ms = tonumber(found[i + 1])
  if ms > now then break end
  if is_held(call('GET', LEASE .. found[i])) then running = running + 1
  elseif waited == 0 then waited = now - math.max(0, ms) end
end
return {due - running, running, call('ZCARD', key) - due - parked, parked, math.floor(waited)}
