-- Run a dead letter again: a new run takes its place on the queue, in one step with its removal, and goes on
-- in its book.
-- ARGV    offset ms, id of the dead letter, then the new run as in enqueue.lua
-- Returns 1, or 0 when there is no such dead letter
if not unbury(ARGV[2]) then return 0 end
put_one(3, now_ms(ARGV[1]))
if call('EXISTS', BOOK .. ARGV[2]) == 1 then call('RENAME', BOOK .. ARGV[2], BOOK .. ARGV[4 + COUNTED]) end
return 1
