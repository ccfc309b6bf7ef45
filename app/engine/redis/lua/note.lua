-- Write a line in a book, if what stands there begins as the writer thinks. A run that has a book is counted
-- from then on: whoever ends it knows by that to remove the book.
-- ARGV    the writer's run, the lease it must have or '', its attempt; the book (a run's id, or a slash and a
--         name), the line; how what stands there must begin, '' for nothing; what shall stand there, '' for
--         nothing; ms until the book is forgotten, 0 for never; what to tell a person of a doubt, '' for none; what to tell who looks for
--         doubts of one that is under way, '' for none
-- Returns 1, or 0 when the lease is another; and what stands there now, or ''
local id, lease, attempt, book, line, known, new, ms, doubt, begun = unpack(ARGV)
local told = book .. '|' .. line
if lease ~= '' and call('GET', LEASE .. id) ~= lease then return {0, ''} end
local found = call('HGET', BOOK .. book, line) or ''
if found == '' then -- its run is over, and took the book along
  call('HDEL', DOUBTS, told)
  call('HDEL', BEGUN, told)
end
local is_known = known == found or known ~= '' and string.sub(found, 1, #known) == known
if not is_known then return {1, found} end
if new == '' then call('HDEL', BOOK .. book, line) else call('HSET', BOOK .. book, line, new) end
if doubt ~= '' then call('HSET', DOUBTS, told, doubt) else call('HDEL', DOUBTS, told) end
if begun ~= '' then call('HSET', BEGUN, told, begun) else call('HDEL', BEGUN, told) end
if book == id then
  if lease ~= '' then call('SET', ATTEMPTS .. id, attempt, 'NX') end
elseif ms == '0' then call('PERSIST', BOOK .. book)
else call('PEXPIRE', BOOK .. book, ms) end
return {1, new}
