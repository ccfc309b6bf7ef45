"""Every Redis key the engine uses. `arq:` keys are arq's own; the rest is ours.

arq:queue:<queue>         sorted set   run ids by the moment they are due (ms)
arq:job:<id>              string       the sealed payload, while queued or running
arq:in-progress:<id>      string       the lease: `worker:attempt`, or arq's `1`
arq:retry:<id>            string       attempts started so far, from the second on, or asked for
arq:result:<id>           string       the sealed result, for as long as results are kept
arq:abort                 sorted set   ids of running runs somebody cancelled
steward:finished:<id>     string       how a run without a kept result ended, for a minute
steward:failures:<id>     list         what went wrong in each failed attempt so far
steward:unique:<key>      string       `id|deadline`: the run that holds the key, or
                                       `id|~latest` while it is debounced until then
steward:dead              sorted set   ids of dead letters by the moment they died (ms)
steward:dead:<id>         hash         a dead letter
steward:causes            hash         what dead letters died of, by its short name
steward:cause:<cause>     sorted set   those of one cause by the moment they died (ms)
steward:book:<id>         hash         a run's finished steps, and its effects where no database is;
                                       in `/<name>` an effect that all runs share, for a week
steward:doubts            hash         effects that wait for a person
steward:begun             hash         effects under way that will be in doubt if their run dies now
steward:parked            hash         run id -> name, version, queue, old score
steward:parked-kinds      set          name, version and queue of those runs
steward:parked:<kind>     set          ids of the parked runs of that kind
steward:crashes           hash         run id -> what is known of its workers' deaths
steward:suspects          sorted set   runs to be tried alone, by when they last began (ms)
steward:places:<limit>    hash         run id -> its lease, or until when it is let in (ms)
steward:starts:<limit>    list         when runs started in the span of a rate (ms)
steward:breaker:<limit>   hash         failures in a row; until when it is open (ms), and its probe
steward:line:<limit>      sorted set   ids of runs that wait for room, by the moment they were due
steward:put-off           hash         run id -> its queue, when it was due, its limits, its line
steward:gates             sorted set   limits with a line, by when to look for room (ms)
steward:worker:<worker>   string       alive; its value says which worker it is
steward:claimed:<queue>   string       where claims go on in a queue, for half a second
steward:idle:<queue>      set          workers that may have an offer open for its runs
steward:offer:<worker>    string       an idle worker's offer: the lease it wants (ms), or `taken`
steward:cursor:<schedule> string       the last tick a schedule fired, a line an expression
steward:events            stream       what happened to runs, a batch an entry
steward:events:count      string       how many events there ever were
steward:recorder          string       the recorder at work
steward:relay             string       the relay at work
steward:brought:<mark>    string       a relay has brought this run, and may not know it yet
steward:alive             string       what some live worker says of itself: `arq --check`
steward:vouched           string       written after runs that are waited for until they are safe
steward:nothing           -            never there; to delete it is a write that needs no memory
steward:health            string       written and read by the health check
steward:slow-syncs:<at>   string       at some hour, how often a server's disk had been too slow

A run is handed over on the channel steward:hand-over:<worker>: queue, id and payload, a line each.

A queue that is called `/<key>` is an arq project's own: <key> is the name of its sorted set.
A lease of the worker `suspect`, which never lives, is that of a run which waits to be tried alone.
"""

QUEUE = "arq:queue:"
JOB = "arq:job:"
LEASE = "arq:in-progress:"
ATTEMPTS = "arq:retry:"
RESULT = "arq:result:"
ABORT = "arq:abort"
FINISHED = "steward:finished:"
FAILURES = "steward:failures:"
UNIQUE = "steward:unique:"
DEAD = "steward:dead"
DEAD_LETTER = "steward:dead:"
DEAD_GROUPS = "steward:causes"
DEAD_GROUP = "steward:cause:"
BOOK = "steward:book:"
DOUBTS = "steward:doubts"
BEGUN = "steward:begun"
PARKED = "steward:parked"
PARKED_KINDS = "steward:parked-kinds"
PARKED_OF = "steward:parked:"
WORKER = "steward:worker:"
CURSOR = "steward:cursor:"
CLAIMED = "steward:claimed:"
IDLE = "steward:idle:"
OFFER = "steward:offer:"
HAND_OVER = "steward:hand-over:"
EVENTS = "steward:events"
EVENTS_COUNT = "steward:events:count"
RECORDER = "steward:recorder"
RELAY = "steward:relay"
BROUGHT = "steward:brought:"
ALIVE = "steward:alive"
HEALTH = "steward:health"
SLOW_SYNCS = "steward:slow-syncs:"
CRASHES = "steward:crashes"
SUSPECTS = "steward:suspects"
VOUCHED = "steward:vouched"
NOTHING = "steward:nothing"
PLACES = "steward:places:"
STARTS = "steward:starts:"
BREAKER = "steward:breaker:"
LINE = "steward:line:"
PUT_OFF = "steward:put-off"
GATES = "steward:gates"
THEIRS = "/"
SUSPECT = "suspect"

LASTING = (
    *(
        RESULT,
        FINISHED,
        CLAIMED,
        IDLE,
        OFFER,
        CURSOR,
        EVENTS,
        RECORDER,
        RELAY,
        ALIVE,
        HEALTH,
        SLOW_SYNCS,
        VOUCHED,
    ),
    *(STARTS, BREAKER, BOOK + THEIRS),
)
"""Prefixes of keys that may stay when all work is done; any other is a leak."""


def queue(name: str) -> str:
    """The sorted set of a queue."""
    return name.removeprefix(THEIRS) if name.startswith(THEIRS) else QUEUE + name


def queue_title(name: str) -> str:
    """What people call it: an arq project's own by the name it has there."""
    return name.removeprefix(THEIRS)


def payload(run_id: str) -> str:
    """The sealed payload of a run."""
    return JOB + run_id


def result(run_id: str) -> str:
    """The sealed result of a run."""
    return RESULT + run_id


def lease(run_id: str) -> str:
    """Who runs it now."""
    return LEASE + run_id


def finished(run_id: str) -> str:
    """The marker of a run that kept no result."""
    return FINISHED + run_id


def dead_letter(run_id: str) -> str:
    """The hash of a dead letter."""
    return DEAD_LETTER + run_id


def dead_group(cause: str) -> str:
    """The dead letters of one cause."""
    return DEAD_GROUP + cause


def book(of: str) -> str:
    """What a run has done and need not do again; or, after a slash, what all runs share."""
    return BOOK + of


def slow_syncs(server: str, hour: int) -> str:
    """How often a server's disk had been too slow when somebody first looked in that hour."""
    return f"{SLOW_SYNCS}{server}:{hour}"


def worker(name: str) -> str:
    """A worker's sign of life."""
    return WORKER + name


def cursor(schedule: str) -> str:
    """How far a schedule has fired."""
    return CURSOR + schedule


def claimed(queue: str) -> str:
    """Where claims go on in a queue."""
    return CLAIMED + queue


def attempts(run_id: str) -> str:
    """How often a run was started, where more than its lease counts."""
    return ATTEMPTS + run_id


def offer(worker: str) -> str:
    """What a worker that waits would take."""
    return OFFER + worker


def hand_over(worker: str) -> str:
    """The channel on which a worker is told of a run that is leased to it."""
    return HAND_OVER + worker
