-- Let runs start as far as their jobs' limits allow, hear how others ended, and let in who waited.
--
-- A limit counts places: of a run that starts, which is one for as long as its lease is held, and of one that was
-- let in and has not started yet, for a moment, or for as long as a worker that tries it alone makes room. A rate also counts the starts of its span. A breaker counts none
-- while it is closed, has no room while it is open, and then room for one, the probe, until that has an answer.
-- A run for which there is no room gives its lease back uncharged and waits in line for the limit that it lacks,
-- with its queue entry moved away. Who has waited longest is let in first, with a place at all its limits, and
-- back on its queue where it was; so whoever claims it finds it admitted, and nothing spins in between.
-- ARGV    offset ms, lease ms, how many have ended, for each of those: kind, name, count, ms (of a rate's span, of
--         a breaker's rest), id, verdict, ms that a provider asked for,
--         then for each run that asks: id, queue, lease, attempt, how many limits, for each: kind, name, count, ms
-- Returns now ms, when to look again or '', how many were let in, then for each that asked its answer
local GRANT_MS, LOOK_MS, MOST = 5000, 1000, 100 -- to start once let in; between looks; let in by one step
local AWAY_MS = 3600000 -- until a run that waits asks again by itself, should its line be lost
local BREAKER_MS = 86400000 -- a breaker that nobody asks about is forgotten
local KIND, NAME, COUNT, SPAN = 1, 2, 3, 4
local RATE, AT_ONCE = 'rate', 'at_once'
local OK, FAILED, ASKED = 'ok', 'failed', 'asked'
local ADMITTED, PUT_OFF_NOW, NOT_OURS = 1, 0, -1
local now, lease_ms = tonumber(score(now_ms(ARGV[1]))), tonumber(ARGV[2])
local places, alive, looked, let_in_now = {}, {}, {}, 0

local function is_alive(worker)
  if alive[worker] == nil then alive[worker] = call('EXISTS', WORKER .. worker) == 1 end
  return alive[worker]
end

-- Whether a place is taken: by a run that was let in a moment ago, or that a live worker runs, or is about to.
local function is_taken(id, held)
  local until_ms, lease = tonumber(held), call('GET', LEASE .. id)
  if until_ms and until_ms > now and until_ms <= now + GRANT_MS then return true end
  return lease and (until_ms or lease == held) and is_alive(holder_of_lease(lease) or '')
end

-- The places of a limit that are taken; the others are free from here on.
local function places_of(name)
  if places[name] then return places[name] end
  local found, all = {held = {}, count = 0}, call('HGETALL', PLACES .. name)
  for i = 1, #all, 2 do
    if is_taken(all[i], all[i + 1]) then found.held[all[i]], found.count = all[i + 1], found.count + 1
    else call('HDEL', PLACES .. name, all[i]) end
  end
  places[name] = found
  return found
end

local function give_place(name, id, held)
  local there = places_of(name)
  if not there.held[id] then there.count = there.count + 1 end
  there.held[id] = held
  call('HSET', PLACES .. name, id, held)
  if call('PTTL', PLACES .. name) < lease_ms then call('PEXPIRE', PLACES .. name, lease_ms) end
end

local function free_place(name, id)
  local there = places_of(name)
  if not there.held[id] then return false end
  there.held[id], there.count = nil, there.count - 1
  call('HDEL', PLACES .. name, id)
  return true
end

-- How many runs started in the span of a rate, and when the first of them did. Starts in the future are of now:
-- the clock was set back.
local function starts_of(limit)
  local key, early = STARTS .. limit[NAME], 0
  while (tonumber(call('LINDEX', key, -1)) or 0) > now do
    call('RPOP', key)
    early = early + 1
  end
  for _ = 1, early do call('RPUSH', key, score(now)) end
  while (tonumber(call('LINDEX', key, 0)) or now) <= now - limit[SPAN] do call('LPOP', key) end
  return call('LLEN', key), tonumber(call('LINDEX', key, 0))
end

local function opened_until(name) return tonumber(call('HGET', BREAKER .. name, 'until')) end

local function fits(limit, id)
  local there = places_of(limit[NAME])
  local others = there.count - (there.held[id] and 1 or 0)
  if limit[KIND] == AT_ONCE then return others < limit[COUNT] end
  if limit[KIND] == RATE then return starts_of(limit) + others < limit[COUNT] end
  local opened = opened_until(limit[NAME])
  return not opened or (opened <= now and others == 0)
end

local function first_lacking(limits, id)
  for _, limit in ipairs(limits) do
    if not fits(limit, id) then return limit end
  end
end

-- When there may be room again; of what ends by itself nobody has to be told sooner.
local function look_at(limit)
  if limit[KIND] == RATE then
    local count, first = starts_of(limit)
    if count >= limit[COUNT] then return first + limit[SPAN] end
  elseif limit[KIND] ~= AT_ONCE then
    local opened = opened_until(limit[NAME])
    if opened and opened > now then return opened end
  end
  return now + LOOK_MS
end

-- Take a place at each limit: for a run that was let in, or for one that starts now, under its lease.
local function enter(limits, id, held, starts)
  for _, limit in ipairs(limits) do
    local name = limit[NAME]
    if limit[KIND] == RATE and starts then
      free_place(name, id)
      call('RPUSH', STARTS .. name, score(now))
      call('PEXPIRE', STARTS .. name, limit[SPAN])
    elseif limit[KIND] == RATE or limit[KIND] == AT_ONCE then
      give_place(name, id, held)
    elseif opened_until(name) then
      give_place(name, id, held)
      call('HSET', BREAKER .. name, 'probe', id)
    end
  end
end

local function stand_in_line(id, queue, due, limits, limit)
  local name = limit[NAME]
  call('ZADD', LINE .. name, due, id)
  call('HSET', PUT_OFF, id, cmsgpack.pack({queue, due, limits, name}))
  call('ZADD', GATES, score(look_at(limit)), name)
end

-- Let in the first of a line, if there is room for it at all its limits. Returns whether to go on with the next.
local function let_one_in(name)
  local id = call('ZRANGE', LINE .. name, 0, 0)[1]
  if not id then
    call('ZREM', GATES, name)
    return false
  end
  local waits = waits_of(id)
  local queue, due, limits = unpack(waits or {})
  local lacking = waits and first_lacking(limits, id)
  if lacking and lacking[NAME] == name then
    call('ZADD', GATES, score(look_at(lacking)), name)
    return false
  end
  leave_line(id)
  call('ZREM', LINE .. name, id)
  if not waits or call('EXISTS', JOB .. id) == 0 then return true end
  if lacking then
    stand_in_line(id, queue, due, limits, lacking)
    return true
  end
  enter(limits, id, score(now + GRANT_MS), false)
  call('ZADD', queue_key(queue), 'XX', due, id)
  look_again(queue)
  let_in_now = let_in_now + 1
  return true
end

local function let_in(name)
  for _ = 1, MOST do
    if not let_one_in(name) then return end
  end
  call('ZADD', GATES, score(now), name) -- there may be more
end

local function put_off(id, queue, due, attempt, limits, lacking)
  for _, limit in ipairs(limits) do
    if free_place(limit[NAME], id) and call('EXISTS', LINE .. limit[NAME]) == 1 then
      call('ZADD', GATES, score(now), limit[NAME])
    end
  end
  uncount(id, attempt)
  call('DEL', LEASE .. id)
  call('ZADD', queue_key(queue), score(now + AWAY_MS), id)
  stand_in_line(id, queue, due, limits, lacking)
end

local function open(name, until_ms)
  call('HSET', BREAKER .. name, 'until', score(until_ms))
  call('PEXPIRE', BREAKER .. name, math.ceil(until_ms - now) + BREAKER_MS)
end

-- What the end of an attempt says of a breaker: whether it had an answer, and how long to leave it alone.
local function judge(limit, id, verdict, asked)
  local name, opened = limit[NAME], opened_until(limit[NAME])
  local is_probe = call('HGET', BREAKER .. name, 'probe') == id
  free_place(name, id)
  if verdict == ASKED then
    open(name, math.max(opened or 0, now + asked))
  elseif verdict == OK and (not opened or (is_probe and opened <= now)) then
    call('DEL', BREAKER .. name)
  elseif verdict == FAILED and opened then
    if is_probe then open(name, math.max(opened, now + limit[SPAN])) end
  elseif verdict == FAILED then
    local failures = call('HINCRBY', BREAKER .. name, 'failures', 1)
    call('PEXPIRE', BREAKER .. name, BREAKER_MS)
    if failures >= limit[COUNT] then open(name, now + limit[SPAN]) end
  end
end

-- Whether somebody waits for this limit who was there before.
local function is_behind(name, id, due)
  if not looked[name] then
    looked[name] = true
    if call('EXISTS', LINE .. name) == 1 then let_in(name) end
  end
  local first = call('ZRANGE', LINE .. name, 0, 0, 'WITHSCORES')
  return first[1] and first[1] ~= id and tonumber(first[2]) <= tonumber(due)
end

local function has_place(limits, id)
  for _, limit in ipairs(limits) do
    if places_of(limit[NAME]).held[id] then return true end
  end
end

local function admit(id, queue, lease, attempt, limits)
  if call('GET', LEASE .. id) ~= lease then return NOT_OURS end
  local waits = leave_line(id)
  local due = waits and waits[2] or call('ZSCORE', queue_key(queue), id) or score(now)
  local was_let_in = has_place(limits, id)
  for _, limit in ipairs(limits) do
    if (not was_let_in and is_behind(limit[NAME], id, due)) or not fits(limit, id) then
      put_off(id, queue, due, attempt, limits, limit)
      return PUT_OFF_NOW
    end
  end
  enter(limits, id, lease, true)
  return ADMITTED
end

local function limit_at(i) return {ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])} end

local answers, i, ended = {}, 4, tonumber(ARGV[3])
for _ = 1, ended do
  local limit = limit_at(i)
  if limit[KIND] == RATE or limit[KIND] == AT_ONCE then places_of(limit[NAME])
  else judge(limit, ARGV[i + 4], ARGV[i + 5], tonumber(ARGV[i + 6])) end
  if call('EXISTS', LINE .. limit[NAME]) == 1 then call('ZADD', GATES, score(now), limit[NAME]) end
  i = i + 7
end
for _, name in ipairs(call('ZRANGEBYSCORE', GATES, '-inf', score(now), 'LIMIT', 0, MOST)) do let_in(name) end
while i <= #ARGV do
  local id, queue, lease, attempt, count = unpack(ARGV, i, i + 4)
  local limits = {}
  for n = 1, count do limits[n] = limit_at(i + 1 + 4 * n) end
  answers[#answers + 1] = admit(id, queue, lease, tonumber(attempt), limits)
  i = i + 5 + 4 * count
end
local gate = call('ZRANGE', GATES, 0, 0, 'WITHSCORES')
return {score(now), gate[2] or '', let_in_now, unpack(answers)}
