-- Run a dead letter again: a new run takes its place on the queue, in one step with its removal.
-- ARGV    offset ms, id of the dead letter, then the new run as in enqueue.lua
-- Returns 1, or 0 when there is no such dead letter
if call('DEL', DEAD_LETTER .. ARGV[2]) == 0 then return 0 end
call('ZREM', DEAD, ARGV[2])
put_one(3, now_ms(ARGV[1]))
return 1
