-- Take up to `want` due runs, from the first queue to the last, and lease them to this worker.
-- A run is free when nobody leases it, or when the worker that did is dead; then its attempt counted.
-- One that this worker leases is free only when `mine` is given and it is not among them: the answer that
-- brought it was lost on the way. Its attempt never began, and is not counted.
-- ARGV    offset ms, worker, want, how many of ours follow or '' to leave ours alone, ids of ours,
--         then for each queue: name, most runs to take from it, lease ms
-- Returns now ms, when the next run is due or '', then for each run:
--         id, queue, score, attempt, 1 if cancelled, payload or nil
local CHUNK, FARTHEST = 200, 20000
local offset, worker, want = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = now_ms(offset)
local taken, next_due = {}, nil
local mine, known = tonumber(ARGV[4]), {}
for i = 5, 4 + (mine or 0) do known[ARGV[i]] = true end

local function is_taken(id, held)
  if held and holder_of_lease(held) == worker then return not mine or known[id] end
  return is_held(held)
end

local function lease(id, due, queue, lease_ms, held)
  local counted = tonumber(call('GET', ATTEMPTS .. id) or '0')
  local lost = held and tonumber(string.match(held, ':(%d+)$')) or 0
  local attempt = math.max(counted, lost)
  if not held or holder_of_lease(held) ~= worker then attempt = attempt + 1 end
  call('SET', ATTEMPTS .. id, attempt)
  call('SET', LEASE .. id, worker .. ':' .. attempt, 'PX', lease_ms)
  local cancelled = call('ZSCORE', ABORT, id) and 1 or 0
  taken[#taken + 1] = {id, queue, due, attempt, cancelled, payload_of(id)}
end

local function take_from(queue, most, lease_ms)
  local key, rank, got = QUEUE .. queue, 0, 0
  while got < most and rank < FARTHEST do
    local found = call('ZRANGE', key, rank, rank + CHUNK - 1, 'WITHSCORES')
    for i = 1, #found, 2 do
      local id, due = found[i], tonumber(found[i + 1])
      if due > now then
        if not next_due or due < next_due then next_due = due end
        return
      end
      local held = call('GET', LEASE .. id)
      if not is_taken(id, held) then
        lease(id, found[i + 1], queue, lease_ms, held)
        got = got + 1
        if got == most then return end
      end
    end
    if #found < 2 * CHUNK then return end
    rank = rank + CHUNK
  end
end

for i = 5 + (mine or 0), #ARGV, 3 do
  local most = math.min(want - #taken, tonumber(ARGV[i + 1]))
  if most > 0 then take_from(ARGV[i], most, ARGV[i + 2]) end
end
return {score(now), next_due and score(next_due) or '', taken}
