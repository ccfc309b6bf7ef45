-- Take back an offer. What was handed over before has arrived on this connection before the answer.
-- ARGV    worker, then its queues
call('DEL', OFFER .. ARGV[1])
for i = 2, #ARGV do call('SREM', IDLE .. ARGV[i], ARGV[1]) end
