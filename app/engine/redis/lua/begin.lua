-- Note that a run whose worker died before begins: should this one die too, it may be of this run.
-- ARGV    offset ms, id, lease
-- Returns 1, or 0 when it is not ours any more
local id, lease = ARGV[2], ARGV[3]
if call('GET', LEASE .. id) ~= lease then return 0 end
local all, _, lived, workers, queue = crashes_of(id)
if all > 0 then keep_crashes(id, all, now_ms(ARGV[1]), lived, workers, queue) end
return 1
