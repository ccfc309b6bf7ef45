-- Take up to `want` due runs, from the first queue to the last, and lease them to this worker.
-- A run is free when nobody leases it, or when the worker that did is dead; then its attempt counted.
-- One that this worker leases is free only when `mine` is given and it is not among them: the answer that
-- brought it was lost on the way. Its attempt never began, and is not counted.
-- KEYS    the queues: read here by their names in ARGV, declared so that the server tells of changes
-- ARGV    offset ms, worker, want, how many of ours follow or '' to leave ours alone, ids of ours,
--         then for each queue: name, most runs to take from it, lease ms
-- Returns now ms, when the next run is due or '', 0 if it looked only behind a cursor, then a list of runs:
--         id, queue, score, attempt, 1 if cancelled, payload or nil
local CHUNK, FARTHEST = 200, 20000
local offset, worker, want = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = now_ms(offset)
local taken, next_due, is_all = {}, nil, 1
local mine, known = tonumber(ARGV[4]), {}
for i = 5, 4 + (mine or 0) do known[ARGV[i]] = true end

local CURSOR_MS = 500 -- the cursor's life, and so the time between two looks at the head of a queue
local alive = {} -- worker -> whether its sign of life is there, asked once a claim

local function is_alive(name)
  if alive[name] == nil then alive[name] = call('EXISTS', WORKER .. name) == 1 end
  return alive[name]
end

local function is_taken(id, held)
  if not held then return false end
  local holder = holder_of_lease(held)
  if holder == worker then return not mine or known[id] end
  return not holder or is_alive(holder)
end

-- Where to go on in a queue: behind the last run that anybody claimed, as long as the cursor lives.
-- After a lost answer, or once the server's clock was set back, at the head. Also when the cursor began.
local function begin(queue)
  local cursor = not mine and call('GET', CLAIMED .. queue)
  local began, due, last = string.match(cursor or '', '^([^|]*)|([^|]*)|(.*)$')
  if not last or now < tonumber(began) or now >= began + CURSOR_MS then return 0, score(now) end
  if call('ZSCORE', QUEUE .. queue, last) == due then
    return call('ZRANK', QUEUE .. queue, last) + 1, began
  end
  return call('ZCOUNT', QUEUE .. queue, '-inf', '(' .. due), began -- it ended, or went back to wait
end

local function move_cursor(queue, began, due, id)
  call('SET', CLAIMED .. queue, began .. '|' .. due .. '|' .. id, 'PX', CURSOR_MS)
end

-- The due runs of `found` that are free, up to `most`; whether a run that is not due yet was met.
local function pick(found, most, due)
  local ids, leases = {}, {}
  for i = 1, #found, 2 do
    local at = tonumber(found[i + 1])
    if at > now then
      if not next_due or at < next_due then next_due = at end
      break
    end
    ids[#ids + 1], leases[#leases + 1] = found[i], LEASE .. found[i]
    due[found[i]] = found[i + 1]
  end
  if #ids == 0 then return {}, nil, true end
  local held, free, last = call('MGET', unpack(leases)), {}, nil
  for i, id in ipairs(ids) do
    if #free == most then break end
    last = id
    if not is_taken(id, held[i]) then free[#free + 1] = {id, held[i]} end
  end
  return free, last, #ids * 2 < #found
end

local function lease(free, queue, lease_ms, due)
  local attempts, jobs, counted = {}, {}, {}
  for i, each in ipairs(free) do attempts[i], jobs[i] = ATTEMPTS .. each[1], JOB .. each[1] end
  local before, payloads = call('MGET', unpack(attempts)), call('MGET', unpack(jobs))
  local aborted = call('EXISTS', ABORT) == 1
  for i, each in ipairs(free) do
    local id, held = each[1], each[2]
    local lost = held and tonumber(string.match(held, ':(%d+)$')) or 0
    local attempt = math.max(tonumber(before[i] or '0'), lost)
    if not held or holder_of_lease(held) ~= worker then attempt = attempt + 1 end
    counted[2 * i - 1], counted[2 * i] = attempts[i], attempt
    call('SET', LEASE .. id, worker .. ':' .. attempt, 'PX', lease_ms)
    local cancelled = aborted and call('ZSCORE', ABORT, id) and 1 or 0
    taken[#taken + 1] = {id, queue, due[id], attempt, cancelled, payloads[i]}
  end
  call('MSET', unpack(counted))
end

local function take_from(queue, most, lease_ms)
  local rank, began = begin(queue)
  local got, due, seen, id = 0, {}, 0, nil
  if rank > 0 then is_all = 0 end
  while got < most and seen < FARTHEST do
    local found = call('ZRANGE', QUEUE .. queue, rank, rank + CHUNK - 1, 'WITHSCORES')
    local free, last, is_end = pick(found, most - got, due)
    if #free > 0 then lease(free, queue, lease_ms, due) end
    got, id = got + #free, last or id
    if is_end or #found < 2 * CHUNK then break end
    rank, seen = rank + CHUNK, seen + CHUNK
  end
  if id then move_cursor(queue, began, due[id], id) end
end

for i = 5 + (mine or 0), #ARGV, 3 do
  local most = math.min(want - #taken, tonumber(ARGV[i + 1]))
  if most > 0 then take_from(ARGV[i], most, ARGV[i + 2]) end
end
return {score(now), next_due and score(next_due) or '', is_all, taken}
