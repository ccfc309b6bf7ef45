-- Look whether these are as inconsistent as they seem, and mend those that are, if asked to.
-- ARGV    offset ms, what is wrong, 1 to mend it, how many keys of queues follow, these,
--         then for each suspect: id or unique key, and for some its queue's name, or else ''
-- Returns the places of those where it is so, from 0 on
local END_OF_TIME = 253402300799000
local now, trouble, mends, count = now_ms(ARGV[1]), ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])

local function is_gone(id) return call('EXISTS', JOB .. id) == 0 end

local function is_on_a_queue(id)
  for i = 5, 4 + count do
    if call('ZSCORE', ARGV[i], id) then return true end
  end
  return false
end

local function put_at(id, queue, ms)
  look_again(queue)
  call('ZADD', queue_key(queue), score(ms), id)
end

local function is_off_its_queue(id)
  return call('EXISTS', LEASE .. id) == 0 and not is_gone(id) and not is_on_a_queue(id)
end

local function is_without_payload(id, queue)
  return is_gone(id) and call('ZSCORE', queue_key(queue), id) and not is_held(call('GET', LEASE .. id))
end

local function is_stranded(id, queue)
  local at = tonumber(call('ZSCORE', queue_key(queue), id) or '0')
  return at >= END_OF_TIME and call('HEXISTS', PARKED, id) == 0 and not is_gone(id)
end

local function is_key_of_nobody(key)
  local id, window = string.match(call('GET', UNIQUE .. key) or '', '^(.*)|(.*)$')
  return id and not tonumber(window) and is_gone(id)
end

local function is_lease_of_nobody(id)
  local lease = call('GET', LEASE .. id)
  return lease and is_gone(id) and not is_held(lease)
end

local function has_leavings(id)
  return is_gone(id) and call('EXISTS', LEASE .. id) == 0 and call('EXISTS', ATTEMPTS .. id, FAILURES .. id) > 0
end

local function is_unlisted(id)
  return call('EXISTS', DEAD_LETTER .. id) == 1 and not call('ZSCORE', DEAD, id)
end

local function list(id)
  call('ZADD', DEAD, tonumber(call('HGET', DEAD_LETTER .. id, 'died') or '') or now, id)
end

local KNOWN = {
  ['orphaned lease'] = {is_lease_of_nobody, function(id) call('DEL', LEASE .. id) end},
  ['leavings of a run that is gone'] = {has_leavings, function(id) call('DEL', ATTEMPTS .. id, FAILURES .. id) end},
  ['payload without queue entry'] = {is_off_its_queue, function(id, queue) put_at(id, queue, now) end},
  ['queue entry without payload'] = {is_without_payload, function(id, queue) put_at(id, queue, now) end},
  ['parked without a note of it'] = {is_stranded, function(id, queue) put_at(id, queue, now) end},
  ['note of a parked run that is gone'] = {is_gone, forget_parked},
  ['unique key without holder'] = {is_key_of_nobody, function(key) call('DEL', UNIQUE .. key) end},
  ['dead letter that is gone'] = {function(id) return call('EXISTS', DEAD_LETTER .. id) == 0 end, unbury},
  ['dead letter that is not listed'] = {is_unlisted, list},
}

local is_so, mend = unpack(KNOWN[trouble])
local found = {}
for i = 5 + count, #ARGV, 2 do
  if is_so(ARGV[i], ARGV[i + 1]) then
    found[#found + 1] = (i - 5 - count) / 2
    if mends then mend(ARGV[i], ARGV[i + 1]) end
  end
end
return found
