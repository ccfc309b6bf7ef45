-- Become, or stay, the holder of a lease that one process at a time may have.
-- KEYS    the lease
-- ARGV    who asks, ms it lasts (0: let go)
-- Returns 1 if it is ours, 0 while another holds it
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1
