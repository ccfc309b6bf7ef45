-- Forget the marks of runs that are written down nowhere else any more, and let go of the lease; for its holder.
-- KEYS    the lease
-- ARGV    who holds it, then the marks
-- Returns 1 if it was theirs, 0 and forgets nothing while another holds it, or nobody
if call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #ARGV do call('DEL', BROUGHT .. ARGV[i]) end
call('DEL', KEYS[1])
return 1
