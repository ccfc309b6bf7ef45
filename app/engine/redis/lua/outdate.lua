-- Forget the oldest dead letters, where they are kept for a time only.
-- ARGV    offset ms, ms they are kept, most at once
-- Returns how many
local now, keep, most = now_ms(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local old = call('ZRANGEBYSCORE', DEAD, '-inf', score(now - keep), 'LIMIT', 0, most)
for _, id in ipairs(old) do
  unbury(id)
  call('DEL', BOOK .. id)
end
return #old
