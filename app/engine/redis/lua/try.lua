-- Take the one run that is to be tried alone now, and lease it to this worker.
-- ARGV    worker, lease ms, the worker's queues
-- Returns nothing, or id, queue, payload, attempt, 1 if it was cancelled, how many workers in a row died of it,
--         how many ever did, how many ms it had lived when the last one died
local LOOKED_AT = 1000
if call('EXISTS', SUSPECTS) == 0 then return false end
local worker, lease_ms, served = ARGV[1], ARGV[2], {}
for i = 3, #ARGV do served[ARGV[i]] = true end
for _, id in ipairs(call('ZREVRANGE', SUSPECTS, 0, LOOKED_AT - 1)) do
  local payload, all, _, lived, workers, queue = payload_of(id), crashes_of(id)
  local attempt = string.match(call('GET', LEASE .. id) or '', '^' .. SUSPECT .. ':(%d+)$')
  if not attempt or not payload then
    call('ZREM', SUSPECTS, id) -- somebody took it out of our hands
    if attempt then -- without a payload there is nothing to try: a claim sees to it
      call('DEL', LEASE .. id)
      look_again(queue)
    end
  elseif served[queue] then
    call('ZREM', SUSPECTS, id)
    call('SET', ATTEMPTS .. id, attempt + 1)
    call('SET', LEASE .. id, worker .. ':' .. attempt + 1, 'PX', lease_ms)
    local cancelled = call('ZSCORE', ABORT, id) and 1 or 0
    return {id, queue, payload, attempt + 1, cancelled, count_words(workers), all, math.floor(lived)}
  end
end
return false
