-- What every step is given: a way to call, and the names of keys. They repeat keys.py; a test compares the two.
local call = redis.call
local QUEUE, JOB, LEASE, ATTEMPTS, RESULT = 'arq:queue:', 'arq:job:', 'arq:in-progress:', 'arq:retry:', 'arq:result:'
local ABORT, FINISHED, FAILURES, UNIQUE = 'arq:abort', 'steward:finished:', 'steward:failures:', 'steward:unique:'
local DEAD, DEAD_LETTER, PARKED, WORKER = 'steward:dead', 'steward:dead:', 'steward:parked', 'steward:worker:'
local DEAD_GROUPS, DEAD_GROUP = 'steward:causes', 'steward:cause:'
local BOOK, DOUBTS, BEGUN = 'steward:book:', 'steward:doubts', 'steward:begun'
local EVENTS, EVENTS_COUNT, CLAIMED = 'steward:events', 'steward:events:count', 'steward:claimed:'
local IDLE, OFFER, HAND_OVER = 'steward:idle:', 'steward:offer:', 'steward:hand-over:'
local BROUGHT = 'steward:brought:'
local CRASHES, SUSPECTS = 'steward:crashes', 'steward:suspects'
local PARKED_KINDS, PARKED_OF = 'steward:parked-kinds', 'steward:parked:'
local NOTHING = 'steward:nothing'
local PLACES, STARTS, BREAKER = 'steward:places:', 'steward:starts:', 'steward:breaker:'
local LINE, PUT_OFF, GATES = 'steward:line:', 'steward:put-off', 'steward:gates'
local THEIRS = '/'
local SUSPECT = 'suspect'

