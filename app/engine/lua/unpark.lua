-- Give parked runs their old place back, those whose name and version this worker knows.
-- ARGV    for each job: name, newest version
-- Returns how many came back.
if call('EXISTS', PARKED) == 0 then return 0 end
local newest, restored = {}, 0
for i = 1, #ARGV, 2 do newest[ARGV[i]] = tonumber(ARGV[i + 1]) end
local parked = call('HGETALL', PARKED)
for i = 1, #parked, 2 do
  local id = parked[i]
  local name, version, queue, due = string.match(parked[i + 1], '^(.*)|(%d+)|(.*)|(.*)$')
  if newest[name] and tonumber(version) <= newest[name] then
    if call('EXISTS', JOB .. id) == 1 then
      call('ZADD', QUEUE .. queue, 'XX', due, id)
      restored = restored + 1
    end
    call('HDEL', PARKED, id)
  end
end
return restored
