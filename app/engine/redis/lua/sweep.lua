-- Forget cancellations of runs that are over: a plain arq client leaves one for whatever id it is given.
-- Returns how many
local OLDEST = 1000
local gone = {}
for _, id in ipairs(call('ZRANGE', ABORT, 0, OLDEST - 1)) do
  if call('EXISTS', JOB .. id) == 0 then gone[#gone + 1] = id end
end
if #gone > 0 then call('ZREM', ABORT, unpack(gone)) end
return #gone
