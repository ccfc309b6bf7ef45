-- Give parked runs their old place back, those this worker can run, and lease them to it: its next claim,
-- told that it may have runs it doesn't know of, takes them. So no worker that can't run them comes first.
-- It looks at the kinds of runs that are parked, and at the runs of those kinds it knows: never at all of them, but
-- where a release before the kinds were listed has parked some, or somebody has written here by hand.
-- ARGV    worker, lease ms, most runs, how many queues follow, the worker's queues,
--         then for each of its jobs: name, newest version
-- Returns how many came back.
if call('EXISTS', PARKED) == 0 then return 0 end
local worker, lease_ms, most, queues = unpack(ARGV, 1, 4)
local served, newest, restored = {}, {}, 0
for i = 5, 4 + queues do served[ARGV[i]] = true end
for i = 5 + queues, #ARGV, 2 do newest[ARGV[i]] = tonumber(ARGV[i + 1]) end

local function are_listed(kinds)
  local count = 0
  for _, kind in ipairs(kinds) do count = count + call('SCARD', PARKED_OF .. kind) end
  return count == call('HLEN', PARKED)
end

local function list_anew(kinds)
  for _, kind in ipairs(kinds) do call('DEL', PARKED_OF .. kind) end
  call('DEL', PARKED_KINDS)
  local parked = call('HGETALL', PARKED)
  for i = 1, #parked, 2 do
    local kind = parked_kind(parked[i + 1])
    call('SADD', PARKED_OF .. kind, parked[i])
    call('SADD', PARKED_KINDS, kind)
  end
end

local function restore(kind, queue)
  for _, id in ipairs(call('SRANDMEMBER', PARKED_OF .. kind, most - restored)) do
    local note = call('HGET', PARKED, id)
    if not note then return list_anew(call('SMEMBERS', PARKED_KINDS)) end
    forget_parked(id)
    call('ZADD', queue_key(queue), 'XX', string.match(note, '([^|]*)$'), id)
    call('SET', LEASE .. id, worker .. ':0', 'PX', lease_ms)
    restored = restored + 1
  end
end

if not are_listed(call('SMEMBERS', PARKED_KINDS)) then list_anew(call('SMEMBERS', PARKED_KINDS)) end
for _, kind in ipairs(call('SMEMBERS', PARKED_KINDS)) do
  local name, version, queue = string.match(kind, '^(.*)|(%d+)|(.*)$')
  local is_known = name and served[queue] and newest[name] and tonumber(version) <= newest[name]
  if is_known and restored < tonumber(most) then restore(kind, queue) end
end
return restored
