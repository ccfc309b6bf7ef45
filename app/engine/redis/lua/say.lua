-- Say something for a while, also where there is no memory: that a worker is alive.
-- KEYS    where
-- ARGV    what, for how many ms
call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
