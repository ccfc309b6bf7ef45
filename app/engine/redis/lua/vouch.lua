-- See whether these runs are known here, and write something after them: what is waited for next includes them.
-- KEYS    what to write
-- ARGV    ids
-- Returns 1 for each that waits, runs, is over or is dead, 0 for each that was lost
local MOMENT_MS = 60000
call('SET', KEYS[1], #ARGV, 'PX', MOMENT_MS)
local known = {}
for i, id in ipairs(ARGV) do
  known[i] = math.min(1, call('EXISTS', JOB .. id, RESULT .. id, FINISHED .. id, DEAD_LETTER .. id))
end
return known
