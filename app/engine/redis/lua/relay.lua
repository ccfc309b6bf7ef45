-- Put runs that are written down elsewhere on their queues, each once, while whoever brings them holds the lease.
-- Each leaves its mark until they say that it is written down no more: one brought again is found by it, however long
-- ago its run is over.
-- KEYS    the lease
-- ARGV    offset ms, who brings them, ms the lease lasts from now on, how many runs, the mark of each, then the runs
--         as in enqueue.lua
-- Returns now ms, then for each run 1 if it is new, 2 if it was brought before, 0 if another run stands for it,
--         -1 if what is there is no queue, -2 if that is full; nothing but now ms when another holds the lease, or
--         nobody
local NEW, BEFORE, OTHER, NO_QUEUE, NO_ROOM = 1, 2, 0, -1, -2
local MARK_MS = 86400000 -- should nobody come to say so: a day without any relay
local now = now_ms(ARGV[1])
if call('GET', KEYS[1]) ~= ARGV[2] then return {score(now)} end
call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) -- refused where memory is full, before anything is written

local function is_queue(name)
  local kind = call('TYPE', queue_key(name)).ok
  return kind == 'zset' or kind == 'none'
end

local function bring(kind, mark, id, payload, at)
  if call('PEXPIRE', BROUGHT .. mark, MARK_MS) == 1 then return BEFORE end
  if not is_queue(kind[ON]) then return NO_QUEUE end
  local holder = put(kind, id, payload, at)
  if holder then return holder == FULL and NO_ROOM or OTHER end
  call('SET', BROUGHT .. mark, '', 'PX', MARK_MS)
  return NEW
end

local answers, i = {score(now)}, 5 + ARGV[4]
while i < #ARGV do
  local kind, count = {unpack(ARGV, i, i + COUNTED - 1)}, tonumber(ARGV[i + COUNTED])
  local first, last = i + COUNTED + 1, i + COUNTED + 2 * count
  for each = first, last, 2 do
    local place = #answers -- one more than the runs before it
    local at = now + place * 0.001 -- each after the last
    answers[place + 1] = bring(kind, ARGV[4 + place], ARGV[each], ARGV[each + 1], at)
  end
  i = last + 1
end
return answers
