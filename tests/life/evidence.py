"""What a case leaves for the oracle to judge: facts alone, from four that don't know each other.

    Redis      what is there of each run (`traces`), and what was committed (`endings`)
    journal    Redis's append-only file: who took which run from whom, and whether he was alive
    database   the history that the recorder kept
    ledger     what the jobs did, in a file that the system under test doesn't know

The case itself adds what it did: which processes it killed, and when Redis was away.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntFlag, StrEnum

from app.engine import Ending
from app.storage.position import Gap
from tests.life.ledger import Line

Try = tuple[str, int, int]
"""A run, the number of its attempt, and the process."""


class Trace(IntFlag):
    """What Redis has of a run, at one moment."""

    PAYLOAD = 1
    QUEUED = 2
    RESULT = 4
    FINISHED = 8
    LETTER = 16
    """A dead letter."""
    LISTED = 32
    """Its name on the list of dead letters."""
    KEPT = 64
    """The payload in the dead letter."""
    LEASED = 128


class State(StrEnum):
    """Where a run stands. Whatever is neither of these is lost, or in two places at once."""

    WAITING = "waiting"
    """On its queue, running or not."""
    OVER = "over"
    DEAD = "dead"


_STATES = {
    Trace.PAYLOAD | Trace.QUEUED: State.WAITING,
    Trace.PAYLOAD | Trace.QUEUED | Trace.LEASED: State.WAITING,
    Trace.RESULT: State.OVER,
    Trace.FINISHED: State.OVER,
    Trace.LETTER | Trace.LISTED | Trace.KEPT: State.DEAD,
    Trace.LETTER | Trace.LISTED | Trace.KEPT | Trace.RESULT: State.DEAD,
}


def state_of(trace: Trace) -> State | None:
    """Where a run stands that left this; None where it can't be."""
    return _STATES.get(trace)


def in_words(trace: Trace | None) -> str:
    """What is left of a run, for people."""
    return " and ".join(str(each.name).lower() for each in trace) if trace else "nothing is left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """A run was leased to a worker while another had a lease on it."""

    run: str
    loser: int
    """The process that had it."""
    has_lapsed: bool
    """Whether the loser had shown itself alive under this lease, and no longer did."""
    is_suspect: bool = False
    """Whether nobody has it now: it is to be tried alone, when its turn comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A worker showed itself alive for the first time."""

    pid: int
    at: float
    queues: Collection[str]


@dataclass(frozen=True, slots=True)
class Span:
    """From one moment to another, on the machine's clock that never jumps."""

    begin: float
    end: float

    def overlaps(self, other: "Span") -> bool:
        """Whether they have a moment in common."""
        return self.begin <= other.end and other.begin <= self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A worker process that the case started and has not told to end."""

    pid: int
    started: float
    has_opened: bool = True
    """Whether it ever was at work."""
    ended: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything about one case."""

    accepted: Collection[str]
    """The runs whose enqueue was answered with a receipt."""
    traces: Mapping[str, Trace]
    endings: Mapping[str, Sequence[Ending]]
    """The last events of each run: one for each commit that ended it."""
    lines: Sequence[Line]
    lease: float
    """Seconds."""
    receipts: Mapping[str, float] = field(default_factory=dict[str, float])
    """When each was accepted, where that is known."""
    limit: float = 2
    """Leases that a recovery may take; more where a machine with much else to do is the judge."""
    history: Mapping[str, Ending] = field(default_factory=dict[str, Ending])
    """What the database says; empty where nobody recorded."""
    ended_at: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    """When the last event of each run was written."""
    gaps: Sequence[Gap] = ()
    """The events that the recorder says it came too late for."""
    takeovers: Sequence[Takeover] = ()
    max_crashes: int = 3
    """How many workers have to die with a run before it is called dead of that."""
    killed: Mapping[int, float] = field(default_factory=dict[int, float])
    """The processes that the case killed, and when."""
    outages: Sequence[Span] = ()
    """When Redis did not serve."""
    lives: Sequence[Life] = ()
    arrivals: Sequence[Arrival] = ()
    """The workers that came; empty where nobody noted it: then there was always another."""
    is_whole: bool = True
    """Whether all is over, and every run told what it did; else a story has ended in between."""
    until: float | None = None
    """When it ended, if what had to begin again by then is to be judged, too."""
    heard: Mapping[Try, Span] = field(default_factory=dict[Try, Span])
    """What the events say of attempts: it counts where a run itself tells nothing."""
    queues: Mapping[str, str] = field(default_factory=dict[str, str])
    """Where runs were queued, as far as their events say so."""
    torn: Sequence[str] = ()
    """Runs that a sample, taken during the case, found in no state or in two."""
    leaked: Sequence[str] = ()
    """Keys, tasks and descriptors that should not be there any more, in words."""
