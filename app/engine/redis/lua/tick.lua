-- Fire a schedule once for a tick: whoever moves its cursor first enqueues the run, the others come too late.
-- KEYS    the schedule's cursor
-- ARGV    offset ms, the cursor as we know it ('' when there is none), the cursor after the tick,
--         then the run as in enqueue.lua, or nothing to move the cursor only
-- Returns now ms, 1 if we fired, and the cursor as it stands now
local now = now_ms(ARGV[1])
local cursor = call('GET', KEYS[1]) or ''
if cursor ~= ARGV[2] then return {score(now), 0, cursor} end
call('SET', KEYS[1], ARGV[3])
if ARGV[4] then put_one(4, now) end
return {score(now), 1, ARGV[3]}
