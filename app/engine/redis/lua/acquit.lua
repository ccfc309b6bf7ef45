-- A run that was tried alone has lived for longer than it did when its workers died: they died of another.
-- ARGV    id, lease
-- Returns 1, or 0 when it is not ours any more
local id, lease = ARGV[1], ARGV[2]
if call('GET', LEASE .. id) ~= lease then return 0 end
local all, begun, lived, _, queue = crashes_of(id)
if all > 0 then keep_crashes(id, all, begun, lived, '', queue) end
return 1
