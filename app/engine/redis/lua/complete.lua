-- Commit runs that ended by themselves or were cancelled: keep the result, remove all the rest.
-- ARGV    longest stream, then for each group of runs that are alike:
--         queue, lease, 1 if their attempts were counted (as of whoever has a book), result ms, ending,
--         unique key or '', how many, then for each of these: id, result, event
-- Returns each id that was not ours any more, and the lease it has now or '': its new owner's result stands.
local lost, events = {}, {}
local aborted = call('EXISTS', ABORT) == 1

-- The places in ARGV of those runs that are still leased to us.
local function still_ours(first, last, lease)
  local leases, ours = {}, {}
  for i = first, last, 3 do leases[#leases + 1] = LEASE .. ARGV[i] end
  for n, held in ipairs(call('MGET', unpack(leases))) do
    local i = first + 3 * (n - 1)
    if held == lease then ours[#ours + 1] = i else give_up(lost, ARGV[i], held) end
  end
  return ours
end

local function complete(ours, queue, is_counted, ms, ending, key)
  local gone, ids = {}, {}
  for n, i in ipairs(ours) do
    local id = ARGV[i]
    ids[n], events[#events + 1] = id, ARGV[i + 2]
    gone[#gone + 1], gone[#gone + 2] = JOB .. id, LEASE .. id
    if is_counted then
      gone[#gone + 1], gone[#gone + 2], gone[#gone + 3] = ATTEMPTS .. id, FAILURES .. id, BOOK .. id
    end
    keep(id, ARGV[i + 1], ms, ending)
    release_key(key, id)
  end
  call('DEL', unpack(gone))
  if is_counted then call('HDEL', CRASHES, unpack(ids)) end
  call('ZREM', queue_key(queue), unpack(ids))
  if aborted then call('ZREM', ABORT, unpack(ids)) end
end

local i = 2
while i < #ARGV do
  local queue, lease, counted, ms, ending, key, count = unpack(ARGV, i, i + 6)
  local first, last = i + 7, i + 6 + 3 * count
  local ours = still_ours(first, last, lease)
  if #ours > 0 then
    complete(ours, queue, counted == '1', tonumber(ms), ending, key)
  end
  i = last + 1
end
record(events, ARGV[1])
return lost
