-- Run a dead letter again: a new run takes its place on the queue, in one step with its removal, and goes on
-- in its book.
-- ARGV    offset ms, id of the dead letter, then the new run as in enqueue.lua
-- Returns 1, or 0 when there is no such dead letter
if not unbury(ARGV[2]) then return 0 end
put_one(3, now_ms(ARGV[1]))
local old, new = ARGV[2], ARGV[4 + COUNTED]
for _, line in ipairs(call('HKEYS', BOOK .. old)) do
  for _, list in ipairs({DOUBTS, BEGUN}) do
    local told = call('HGET', list, old .. '|' .. line)
    if told then
      call('HDEL', list, old .. '|' .. line)
      call('HSET', list, new .. '|' .. line, told)
    end
  end
end
if call('EXISTS', BOOK .. old) == 1 then call('RENAME', BOOK .. old, BOOK .. new) end
return 1
