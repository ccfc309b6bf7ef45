-- Give parked runs their old place back, those this worker can run, and lease them to it: its next claim,
-- told that it may have runs it doesn't know of, takes them. So no worker that can't run them comes first.
-- ARGV    worker, lease ms, most runs, how many queues follow, the worker's queues,
--         then for each of its jobs: name, newest version
-- Returns how many came back.
if call('EXISTS', PARKED) == 0 then return 0 end
local worker, lease_ms, most, queues = unpack(ARGV, 1, 4)
local served, newest, restored = {}, {}, 0
for i = 5, 4 + queues do served[ARGV[i]] = true end
for i = 5 + queues, #ARGV, 2 do newest[ARGV[i]] = tonumber(ARGV[i + 1]) end
local parked = call('HGETALL', PARKED)
for i = 1, #parked, 2 do
  local id = parked[i]
  local name, version, queue, due = string.match(parked[i + 1], '^(.*)|(%d+)|(.*)|(.*)$')
  if restored == tonumber(most) then break end
  if name and served[queue] and newest[name] and tonumber(version) <= newest[name] then
    call('HDEL', PARKED, id)
    call('ZADD', queue_key(queue), 'XX', due, id)
    call('SET', LEASE .. id, worker .. ':0', 'PX', lease_ms)
    restored = restored + 1
  end
end
return restored
