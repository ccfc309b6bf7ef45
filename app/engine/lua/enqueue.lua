-- Put runs on their queues: all of them in one step, each with its own answer.
-- ARGV    offset ms, then for each run: id, queue, at ms or '', delay ms, payload, unique key or '', held
--         (held: 'queued', 'active', or a window in ms)
-- Returns now ms, then for each run: 1 new | 2 the same bytes again | 0 another run stands for it, and that run's id
local now = now_ms(ARGV[1])
local answers = {score(now)}
for i = 2, #ARGV, 7 do
  local run = {unpack(ARGV, i, i + 6)}
  local place = (i - 2) / 7 * 0.001 -- keeps the order of a batch: scores are ms with three decimals
  local state, id = put(run, now + place)
  if state == 0 and id == run[1] and call('GET', JOB .. id) == run[5] then state = 2 end
  answers[#answers + 1] = state
  answers[#answers + 1] = id
end
return answers
