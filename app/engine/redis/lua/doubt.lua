-- Give back a run that has to be tried alone, and did not begin here: its attempt is not counted.
-- ARGV    offset ms, id, lease, attempt
-- Returns 1, or 0 when it is not ours any more
local id, lease, attempt = ARGV[2], ARGV[3], tonumber(ARGV[4])
if call('GET', LEASE .. id) ~= lease then return 0 end
uncount(id, attempt)
suspect(id, attempt - 1, now_ms(ARGV[1]))
return 1
