-- Give a debounced run that still waits other arguments, and move its time: from now on, up to its latest moment.
-- ARGV    offset ms, unique key, id of the run that holds it, its new payload, queue, ms to wait from now
-- Returns now ms, then 1, or 0 when that run does not wait under this key any more, or 2 when it is not debounced,
--         or is on another queue
local GONE, MOVED, ANOTHERS = 0, 1, 2
local now = now_ms(ARGV[1])
local key, id, payload, queue, wait_ms = unpack(ARGV, 2, 6)
if holder_of(key, 'queued', now) ~= id then return {score(now), GONE} end
local latest = string.match(call('GET', UNIQUE .. key), '|' .. BOUNCED .. '([^|]*)$')
if not latest or not call('ZSCORE', queue_key(queue), id) then return {score(now), ANOTHERS} end
call('SET', JOB .. id, payload)
if call('HEXISTS', PARKED, id) == 0 and call('HEXISTS', PUT_OFF, id) == 0 then
  call('ZADD', queue_key(queue), 'XX', score(math.min(now + tonumber(wait_ms), tonumber(latest))), id)
end
return {score(now), MOVED}
