-- What the longer steps share.
local FINISHED_MS = 60000 -- how long a finished id answers a repeated enqueue when no result is kept

-- The server's time in ms, with microseconds as its fraction, plus a test's offset.
local function now_ms(offset)
  local t = call('TIME')
  return t[1] * 1000 + t[2] / 1000 + tonumber(offset)
end

-- The sorted set of a queue; an arq project's own is named after the slash.
local function queue_key(name)
  if string.sub(name, 1, 1) == THEIRS then return string.sub(name, 2) end
  return QUEUE .. name
end

local function score(ms) return string.format('%.3f', ms) end

-- Whose lease it is: the name of a worker of ours, or nil for a plain arq worker's.
local function holder_of_lease(lease) return string.match(lease, '^(.+):%d+$') end

-- Whether somebody is at work under this lease: a plain arq worker, or a live worker of ours.
local function is_held(lease)
  if not lease then return false end
  local worker = holder_of_lease(lease)
  return not worker or call('EXISTS', WORKER .. worker) == 1
end

-- A run's payload, or false: a key of another type, which only a stranger can have put there, is none.
local function payload_of(id)
  local found = redis.pcall('GET', JOB .. id)
  return type(found) == 'string' and found
end

local BOUNCED = '~' -- in a unique key's value: before the latest moment for a debounced run to start

-- The run that holds a unique key now, or nil. A holder whose payload is gone is no holder.
local function holder_of(key, held, now)
  local value = call('GET', UNIQUE .. key)
  if not value then return nil end
  local id, until_ms = string.match(value, '^(.*)|(.*)$')
  local window = tonumber(until_ms)
  if window then return window > now and id or nil end
  if call('EXISTS', JOB .. id) == 0 then return nil end
  if held == 'queued' and call('EXISTS', LEASE .. id) == 1 then return nil end
  return id
end

-- Whether a run of this id has left what a run leaves when it is over.
local function is_over(id) return call('EXISTS', RESULT .. id, FINISHED .. id, DEAD_LETTER .. id) > 0 end

local function exists_anywhere(id)
  return call('EXISTS', JOB .. id, RESULT .. id, FINISHED .. id, DEAD_LETTER .. id) > 0
end

-- Of what kind a run is, as enqueue.lua gets it: {queue, at ms or '', delay ms, '' or what is special, counted}.
local ON, AT, DELAY, SPECIAL, COUNTED = 1, 2, 3, 4, 5
local FULL = '' -- no run's id

-- What is special: the unique key or '', how long it is held ('queued', 'active', or a window in ms), the
-- longest wait in ms of a debounced run or 0, how many runs the queue may hold or 0.
local function specials(kind)
  if kind[SPECIAL] == '' then return '', 'active', 0, 0 end
  local key, held, longest, most = string.match(kind[SPECIAL], '^(.*)|(.*)|(.*)|(.*)$')
  return key, held, tonumber(longest), tonumber(most)
end

local function has_room(queue, count, most)
  return most == 0 or call('ZCARD', queue_key(queue)) + count <= most
end

local function due_at(kind, now)
  return kind[AT] ~= '' and math.max(tonumber(kind[AT]), now) or now + tonumber(kind[DELAY])
end

-- Note which run holds a key from now on, and how late it may start if it is debounced.
local function hold(key, id, held, longest, now)
  local window = tonumber(held)
  if window then
    call('SET', UNIQUE .. key, id .. '|' .. string.format('%.0f', now + window), 'PX', math.max(1, window))
  else
    call('SET', UNIQUE .. key, id .. '|' .. (longest > 0 and BOUNCED .. score(now + longest) or ''))
  end
end

-- Put one run on its queue. Returns nothing, or the id of the run that stands for it already, or FULL.
local function put(kind, id, payload, now)
  local key, held, longest, most = specials(kind)
  if exists_anywhere(id) then return id end
  local holder = key ~= '' and holder_of(key, held, now)
  if holder then return holder end
  if not has_room(kind[ON], 1, most) then return FULL end
  if key ~= '' then hold(key, id, held, longest, now) end
  if kind[COUNTED] == '1' then call('SET', ATTEMPTS .. id, 0) end
  call('SET', JOB .. id, payload)
  call('ZADD', queue_key(kind[ON]), score(due_at(kind, now)), id)
end

-- Put the one run that ARGV tells of from `first` on: its kind, how many (1), its id, its payload.
local function put_one(first, now)
  put({unpack(ARGV, first, first + COUNTED - 1)}, ARGV[first + COUNTED + 1], ARGV[first + COUNTED + 2], now)
end

-- Let go of a key, if this run still holds it and no window keeps it.
local function release_key(key, id)
  if key == '' then return end
  local value = call('GET', UNIQUE .. key)
  local holder, until_ms = string.match(value or '', '^(.*)|(.*)$')
  if holder == id and not tonumber(until_ms) then call('DEL', UNIQUE .. key) end
end

-- What is known of a run whose worker died: in how many attempts, since when it has been at work in this one
-- (ms, 0: not begun), how long it had been when the last one died (ms), which workers have died of it, perhaps,
-- since an attempt of it last came to an end, and its queue.
local function crashes_of(id)
  local known = call('HGET', CRASHES, id)
  if not known then return 0, 0, 0, '', '' end
  local all, begun, lived, workers, queue = string.match(known, '^(%d+)|([%d.]+)|([%d.]+)|([^|]*)|(.*)$')
  if not all then return 0, 0, 0, '', '' end -- no note of ours
  return tonumber(all), tonumber(begun), tonumber(lived), workers, queue
end

local function keep_crashes(id, all, begun, lived, workers, queue)
  call('HSET', CRASHES, id, table.concat({all, score(begun), score(lived), workers, queue}, '|'))
end

local function count_words(text)
  local _, count = string.gsub(text, '%S+', '')
  return count
end

-- Lease a run to nobody: a worker will try it alone. Those that began last come first: they are the likelier.
local function suspect(id, attempt, begun)
  call('SET', LEASE .. id, SUSPECT .. ':' .. attempt)
  call('ZADD', SUSPECTS, score(begun), id)
end

-- Everything a run leaves while it is queued or running, apart from its result.
local function forget(id, queue)
  call('DEL', JOB .. id, LEASE .. id, ATTEMPTS .. id, FAILURES .. id)
  call('ZREM', queue_key(queue), id)
  call('ZREM', ABORT, id)
  call('HDEL', CRASHES, id)
  call('ZREM', SUSPECTS, id)
end

-- Take a dead letter out of all its lists; whether it was there.
local function unbury(id)
  local group = redis.pcall('HGET', DEAD_LETTER .. id, 'group')
  call('ZREM', DEAD, id)
  if type(group) == 'string' then
    call('ZREM', DEAD_GROUP .. group, id)
    if call('EXISTS', DEAD_GROUP .. group) == 0 then call('HDEL', DEAD_GROUPS, group) end
  end
  return call('DEL', DEAD_LETTER .. id) == 1
end

-- Keep a result for `ms`, or, when none is kept, a marker so that a repeated enqueue finds the run. A server without
-- memory refuses the first write: then all are kept for no longer than a marker, and pass, since the next write
-- needs none.
local longest
local function keep(id, result, ms, ending)
  if ms == 0 then result = ending end
  local key, life = (ms > 0 and RESULT or FINISHED) .. id, ms > 0 and ms or FINISHED_MS
  if not longest then
    local kept = redis.pcall('SET', key, result, 'PX', life)
    longest = kept.err and FINISHED_MS or math.huge
    if not kept.err then return end
    call('DEL', NOTHING)
  end
  call('SET', key, result, 'PX', math.min(life, longest))
end

-- Note a run that is not ours any more, and its lease now: '' when it is over, or waits again.
local function give_up(lost, id, held)
  lost[#lost + 1], lost[#lost + 2] = id, held or ''
end

-- A run has come back to a place that claims may have passed: the next one begins at the head.
local function look_again(queue) call('DEL', CLAIMED .. queue) end

-- Take back an attempt that was not charged. One that only its lease has counted is not counted any more.
local function uncount(id, attempt)
  if attempt > 1 or call('EXISTS', ATTEMPTS .. id) == 1 then call('SET', ATTEMPTS .. id, attempt - 1) end
end

-- Append what happened to the stream: one entry, its events one msgpack array, numbered on from the last.
local function record(events, longest)
  local count = #events
  if count == 0 then return end
  local head = string.char(0xdc, math.floor(count / 256), count % 256)
  local last = call('INCRBY', EVENTS_COUNT, count)
  call('XADD', EVENTS, 'MAXLEN', '~', longest, '*', 'last', last, 'events', head .. table.concat(events))
end

-- What a run that waits in line for a limit had to leave: {queue, due, limits, line}, or nothing.
local function waits_of(id)
  local packed = call('HGET', PUT_OFF, id)
  return packed and cmsgpack.unpack(packed)
end

-- Take a run out of its line. Returns what `waits_of` tells.
local function leave_line(id)
  local waits = waits_of(id)
  if not waits then return end
  call('HDEL', PUT_OFF, id)
  call('ZREM', LINE .. waits[4], id)
  if call('EXISTS', LINE .. waits[4]) == 0 then call('ZREM', GATES, waits[4]) end
  return waits
end

-- Of what kind a parked run is, by the note of it: name, version and queue in one word; '' for no note of ours.
local function parked_kind(note) return string.match(note, '^(.*)|[^|]*$') or '' end

local function note_parked(id, kind, due)
  call('HSET', PARKED, id, kind .. '|' .. due)
  call('SADD', PARKED_OF .. kind, id)
  call('SADD', PARKED_KINDS, kind)
end

-- Take a run off the list of parked ones, if it is there.
local function forget_parked(id)
  local note = call('HGET', PARKED, id)
  if not note then return end
  local kind = parked_kind(note)
  call('HDEL', PARKED, id)
  call('SREM', PARKED_OF .. kind, id)
  if call('EXISTS', PARKED_OF .. kind) == 0 then call('SREM', PARKED_KINDS, kind) end
end
