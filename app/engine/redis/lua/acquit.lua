-- A run that was tried alone goes on beside others.
-- It is innocent if it has lived for longer than it did when its workers died: they died of another. If that is not
-- known yet, it stays a suspect, and is not charged should its worker die now: there is more than one who may be why.
-- ARGV    id, lease, 1 if it is innocent
-- Returns 1, or 0 when it is not ours any more
local id, lease, is_innocent = ARGV[1], ARGV[2], ARGV[3] == '1'
if call('GET', LEASE .. id) ~= lease then return 0 end
local all, begun, lived, workers, queue = crashes_of(id)
if all == 0 then return 1 end
if is_innocent then keep_crashes(id, all, begun, lived, '', queue)
else keep_crashes(id, all, 0, lived, workers, queue) end
return 1
