-- Give runs whose id is no text one that is, and keep them leased: their claimer can bury no other. Only a
-- stranger can have put them there, so nothing but payload and place is theirs.
-- ARGV    lease ms, then for each run: queue, id as it is, id as text, lease
-- Returns how many are there
local renamed = 0
for i = 2, #ARGV, 4 do
  local queue, id, text, lease = unpack(ARGV, i, i + 3)
  local due, payload = call('ZSCORE', queue_key(queue), id), payload_of(id)
  if due and call('GET', LEASE .. id) == lease then
    if payload then call('SET', JOB .. text, payload) end
    call('SET', LEASE .. text, lease, 'PX', ARGV[1])
    call('ZADD', queue_key(queue), due, text)
    forget(id, queue)
    renamed = renamed + 1
  end
end
return renamed
