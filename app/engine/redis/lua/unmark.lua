-- Look no longer for a doubt of an effect that was under way, unless it was begun anew since.
-- ARGV    the line, what it said
if call('HGET', BEGUN, ARGV[1]) == ARGV[2] then call('HDEL', BEGUN, ARGV[1]) end
