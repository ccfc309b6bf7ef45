-- Put one plain run, sent for the first time, on its queue, and hand it to a worker that waits for such, if one
-- does: the run is leased to it and told on its channel, which saves it a claim. Only a worker that runs nothing
-- makes an offer, for a moment and for one run; it is taken by whoever comes first. If nobody hears the channel,
-- the run waits on its queue like any other. As short as can be: most runs come this way.
-- ARGV    key of the queue, name of the queue, id, payload
-- Returns when it was put there, in ms; false if there is such a run already
local TRIES = 3 -- of workers whose offer is gone; the next enqueue looks further
local key, queue, id, payload = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local function hand_over()
  for _ = 1, TRIES do
    local worker = call('SRANDMEMBER', IDLE .. queue)
    if not worker then return end
    local lease_ms = call('GET', OFFER .. worker)
    if lease_ms and lease_ms ~= 'taken' and call('EXISTS', WORKER .. worker) == 1 then
      local heard = redis.pcall('PUBLISH', HAND_OVER .. worker, queue .. '\n' .. id .. '\n' .. payload)
      if type(heard) == 'number' and heard > 0 then
        call('SET', OFFER .. worker, 'taken', 'KEEPTTL')
        call('SET', LEASE .. id, worker .. ':1', 'PX', lease_ms)
        return
      end
    end
    call('SREM', IDLE .. queue, worker)
  end
end

local t = call('TIME')
local now = string.format('%.3f', t[1] * 1000 + t[2] / 1000)
if not call('SET', JOB .. id, payload, 'NX') then return false end
call('ZADD', key, now, id)
hand_over()
return now
