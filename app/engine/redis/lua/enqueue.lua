-- Put runs on their queues: all of them in one step, each with its own answer.
-- ARGV    offset ms, then for each group of runs that are alike: queue, at ms or '', delay ms,
--         '' or what is special: `unique key or ''|held|longest wait ms or 0|most on the queue or 0`,
--         1 to count attempts from the start, how many, then for each of these: id, payload
-- Returns now ms, then for each run that is not new: its place, 2 for the same bytes again, 0 if another
--         run stands for it, 3 if the queue is full; and the id of the run that stands for it, if any does
local SAME, OTHER, REFUSED = 2, 0, 3
local now = now_ms(ARGV[1])
local answers, place = {score(now)}, 0

-- Each a little later than the one before, so that a batch keeps its order: scores have three decimals.
local function now_at(place) return now + place * 0.001 end

local function are_new(first, last)
  local seen, names = {}, {}
  for i = first, last, 2 do
    local id, n = ARGV[i], #names
    if seen[id] then return false end
    seen[id] = true
    names[n + 1], names[n + 2], names[n + 3], names[n + 4] = JOB .. id, RESULT .. id, FINISHED .. id, DEAD_LETTER .. id
  end
  return call('EXISTS', unpack(names)) == 0
end

local function put_all(kind, first, last)
  local stored, queued = {}, {}
  for i = first, last, 2 do
    local id, n = ARGV[i], #stored
    stored[n + 1], stored[n + 2] = JOB .. id, ARGV[i + 1]
    queued[n + 1], queued[n + 2] = score(due_at(kind, now_at(place + n / 2))), id
    if kind[COUNTED] == '1' then call('SET', ATTEMPTS .. id, 0) end
  end
  call('MSET', unpack(stored))
  call('ZADD', queue_key(kind[ON]), unpack(queued))
end

local function put_each(kind, first, last)
  for i = first, last, 2 do
    local here, n = place + (i - first) / 2, #answers
    local holder = put(kind, ARGV[i], ARGV[i + 1], now_at(here))
    if holder then
      local same = holder == ARGV[i] and call('GET', JOB .. holder) == ARGV[i + 1]
      local state = holder == FULL and REFUSED or same and SAME or OTHER
      answers[n + 1], answers[n + 2], answers[n + 3] = here, state, holder
    end
  end
end

-- Whether nothing has to be asked of each run alone.
local function are_plain(kind, count)
  if kind[SPECIAL] == '' then return true end
  local key, _, _, most = specials(kind)
  return key == '' and has_room(kind[ON], count, most)
end

local i = 2
while i < #ARGV do
  local kind, count = {unpack(ARGV, i, i + COUNTED - 1)}, tonumber(ARGV[i + COUNTED])
  local first, last = i + COUNTED + 1, i + COUNTED + 2 * count
  if are_plain(kind, count) and are_new(first, last) then put_all(kind, first, last) else put_each(kind, first, last) end
  place, i = place + count, last + 1
end
return answers
