-- Take up to `want` due runs, from the first queue to the last, and lease them to this worker.
-- A run is free when nobody leases it, or when the worker that did is dead. Such a death is noted: the worker
-- may have died of this run. One that it could be the last of is left to be tried alone (see trials.py).
-- One that this worker leases is free only when `mine` is given and it is not among them: the answer that
-- brought it was lost on the way. Its attempt never began, and is not counted.
-- A first attempt is counted by its lease alone; ATTEMPTS is written from the second on, or where it is there.
-- A worker that runs nothing and finds nothing may make an offer: the next plain run is handed to it. An offer
-- that was open is withdrawn first; once it was taken, a run is on its way and has one of the slots wanted here.
-- KEYS    the queues: read here by their names in ARGV, declared so that the server tells of changes
-- ARGV    offset ms, worker, how many crashes a run dies of or '' to take nothing over from the dead, want,
--         1 if an offer of ours may be open, how many ms a new one stands or '' for none,
--         how many of ours follow or '' to leave ours alone, ids of ours,
--         then for each queue: name, most runs to take from it, lease ms
-- Returns now ms, when the next run is due or '', 0 if it looked only behind a cursor, 1 if an offer stands,
--         names of queues each with how many came from it, ids, payloads, and for every run that is not in its
--         first attempt, uncounted and wanted: its place, its attempt, 1 if it was cancelled,
--         how many workers in a row died of it, perhaps, how many ever did, and 1 if a run of this id is over
local FARTHEST, NARROWEST, WIDEST = 20000, 20, 1000
local AT_ONCE, LARGEST = 50, 4194304 -- runs, bytes: who hears of runs is cut off if an answer has over 32 MiB
local FIRST = ':1'
local offset, worker, fatal, want = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local due_now = score(now_ms(offset))
local now = tonumber(due_now)
local from, taken, payloads, unusual, size, next_due, is_all = {}, {}, {}, {}, 0, nil, 1
local was_open, offer_ms = ARGV[5] == '1', ARGV[6]
local mine, known = tonumber(ARGV[7]), {}
for i = 8, 7 + (mine or 0) do known[ARGV[i]] = true end

local CURSOR_MS = 500 -- the cursor's life, and so the time between two looks at the head of a queue
local alive = {} -- worker -> whether its sign of life is there, asked once a claim

local function is_alive(name)
  if alive[name] == nil then alive[name] = call('EXISTS', WORKER .. name) == 1 end
  return alive[name]
end

local function is_taken(id, held)
  if known[id] then return true end -- at work here, or over and not committed yet
  if not held then return false end
  local holder = holder_of_lease(held)
  if holder == worker then return not mine end
  return not holder or not fatal or holder == SUSPECT or is_alive(holder)
end

-- Note that a worker died with this run at work; returns how many did so in a row.
-- Of a run that had not begun yet, nothing did; where nobody noted when it began, it had.
local function note_crash(id, queue, dead, attempt)
  local all, begun, lived, workers = crashes_of(id)
  if all == 0 or begun > 0 then workers = workers .. dead .. ' ' end
  if begun > 0 then lived = math.max(0, now - begun) end -- the server's clock may have been set back
  local ms = math.floor(begun > 0 and begun or now)
  local told = {tonumber(attempt), ms, math.floor(now), dead, 'app.engine.errors.WorkerDied', 'its worker died', ''}
  call('RPUSH', FAILURES .. id, cmsgpack.pack(told)) -- as failure.py writes it
  keep_crashes(id, all + 1, 0, lived, workers, queue)
  return count_words(workers), begun
end

-- Whether a run that is free has to be tried alone.
local function is_suspect(id, queue, held)
  local dead, attempt = string.match(held or '', '^(.+):(%d+)$')
  if not dead or dead == worker or attempt == '0' then return false end
  local crashes, begun = note_crash(id, queue, dead, attempt)
  if crashes ~= fatal - 1 then return false end
  suspect(id, attempt, begun > 0 and begun or now)
  return true
end

-- Where to go on in a queue: behind the last run that anybody claimed, as long as the cursor lives.
-- After a lost answer, or once the server's clock was set back, at the head. Also when the cursor began.
local function begin(queue)
  local cursor = not mine and call('GET', CLAIMED .. queue)
  local began, due, last = string.match(cursor or '', '^([^|]*)|([^|]*)|(.*)$')
  if not last or now < tonumber(began) or now >= began + CURSOR_MS then return 0, due_now end
  if call('ZSCORE', queue_key(queue), last) == due then
    return call('ZRANK', queue_key(queue), last) + 1, began
  end
  return call('ZCOUNT', queue_key(queue), '-inf', '(' .. due), began -- it ended, or went back to wait
end

local function move_cursor(queue, began, id)
  local due = call('ZSCORE', queue_key(queue), id)
  call('SET', CLAIMED .. queue, began .. '|' .. due .. '|' .. id, 'PX', CURSOR_MS)
end

-- How many of these runs, which follow each other from `rank` on, are due; notes when the first other is.
local function count_due(queue, ids, rank)
  if #ids == 0 or tonumber(call('ZSCORE', queue_key(queue), ids[#ids])) <= now then return #ids end
  local count = math.max(0, call('ZCOUNT', queue_key(queue), '-inf', due_now) - rank)
  local at = tonumber(call('ZSCORE', queue_key(queue), ids[count + 1]))
  if not next_due or at < next_due then next_due = at end
  return count
end

-- The free ones among the first `count` ids, up to `most`, each followed by its old lease or false; and at how
-- many ids it has looked.
local function pick(queue, ids, count, most)
  local leases, free = {}, {}
  for i = 1, count do leases[i] = LEASE .. ids[i] end
  local held = call('MGET', unpack(leases))
  for i = 1, count do
    if not is_taken(ids[i], held[i]) and not is_suspect(ids[i], queue, held[i]) then
      free[#free + 1], free[#free + 2] = ids[i], held[i]
      if #free == 2 * most then return free, i end
    end
  end
  return free, count
end

-- Which attempt this is, given how many were counted and the lease that a dead worker or a lost answer left.
local function attempt_after(counted, held)
  local lost = held and tonumber(string.match(held, ':(%d+)$')) or 0
  local attempt = math.max(tonumber(counted or '0') or 0, lost)
  if lost > 0 and holder_of_lease(held) == worker then return attempt end
  return attempt + 1
end

local function note_unusual(id, attempt, over)
  local cancelled = call('ZSCORE', ABORT, id) and 1 or 0
  local all, _, _, workers = 0, 0, 0, ''
  if attempt > 1 then all, _, _, workers = crashes_of(id) end
  local told = {#taken, attempt, cancelled, count_words(workers), all, over and 1 or 0}
  for _, each in ipairs(told) do unusual[#unusual + 1] = each end
end

-- Those of the ids of which a run is over: no enqueue of ours has put them on a queue again.
local function over_among(free)
  local left, over = {}, {}
  for i = 1, #free, 2 do
    local id, n = free[i], #left
    left[n + 1], left[n + 2], left[n + 3] = RESULT .. id, FINISHED .. id, DEAD_LETTER .. id
  end
  if call('EXISTS', unpack(left)) == 0 then return over end
  for i = 1, #free, 2 do over[free[i]] = is_over(free[i]) end
  return over
end

local function lease(free, lease_ms)
  local wanted, first = {}, worker .. FIRST
  for i = 1, #free, 2 do wanted[i], wanted[i + 1] = ATTEMPTS .. free[i], JOB .. free[i] end
  local found = call('MGET', unpack(wanted))
  local aborted, over = call('EXISTS', ABORT) == 1, over_among(free)
  for i = 1, #free, 2 do
    local id, held, counted = free[i], free[i + 1], found[i]
    taken[#taken + 1], payloads[#payloads + 1] = id, found[i + 1]
    size = size + #(found[i + 1] or '')
    if held or counted then
      local attempt = attempt_after(counted, held)
      call('SET', ATTEMPTS .. id, attempt)
      call('SET', LEASE .. id, worker .. ':' .. attempt, 'PX', lease_ms)
      note_unusual(id, attempt, over[id])
    else
      call('SET', LEASE .. id, first, 'PX', lease_ms)
      if over[id] or aborted and call('ZSCORE', ABORT, id) then note_unusual(id, 0, over[id]) end
    end
  end
end

local function take_from(queue, most, lease_ms)
  local rank, began = begin(queue)
  local got, seen, last = 0, 0, nil
  if rank > 0 then is_all = 0 end
  while got < most and seen < FARTHEST and size < LARGEST do
    local wanted = math.min(most - got, AT_ONCE)
    local width = math.min(WIDEST, math.max(NARROWEST, wanted + seen))
    local ids = call('ZRANGE', queue_key(queue), rank, rank + width - 1)
    local count = count_due(queue, ids, rank)
    if count == 0 then break end
    local free, looked_at = pick(queue, ids, count, wanted)
    if #free > 0 then lease(free, lease_ms) end
    got, last = got + #free / 2, ids[looked_at]
    if looked_at == count and count < width then break end
    rank, seen = rank + looked_at, seen + looked_at
  end
  if last then move_cursor(queue, began, last) end
  if got > 0 then from[#from + 1], from[#from + 2] = queue, got end
end

-- Tell the queues whom to hand their next run to. Of an offer that still stood they know.
local function make_offer(stood)
  local lease_ms
  for i = 8 + (mine or 0), #ARGV, 3 do
    if not stood then call('SADD', IDLE .. ARGV[i], worker) end
    lease_ms = ARGV[i + 2]
  end
  call('SET', OFFER .. worker, lease_ms, 'PX', offer_ms)
end

local offer = was_open and call('GETDEL', OFFER .. worker)
if offer == 'taken' and not mine then want, next_due = want - 1, now end -- so ask again soon
for i = 8 + (mine or 0), #ARGV, 3 do
  local most = math.min(want - #taken, tonumber(ARGV[i + 1]))
  if most > 0 then take_from(ARGV[i], most, ARGV[i + 2]) end
end
if size >= LARGEST then next_due = now end -- there may be more
local offers = offer_ms ~= '' and #taken == 0 and offer ~= 'taken'
if offers then make_offer(offer) end
return {due_now, next_due and score(next_due) or '', is_all, offers and 1 or 0, from, taken, payloads, unusual}
