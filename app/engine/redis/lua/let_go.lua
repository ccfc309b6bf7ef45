-- A run ends in a plain arq worker: remove what arq's own commit knows nothing of.
-- ARGV    id, unique key or ''
local id, key = unpack(ARGV)
call('DEL', FAILURES .. id, BOOK .. id)
call('HDEL', CRASHES, id)
release_key(key, id)
