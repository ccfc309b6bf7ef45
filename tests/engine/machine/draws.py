"""What Hypothesis draws for the steps: few ids, keys and moments, so that they often meet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from hypothesis import strategies as st

from app.engine import Held, hours, minutes, seconds
from app.engine.run import NewRun, Share
from tests.engine.steps import LEASE

QUEUES = ("urgent", "default")
AT_ONCE = timedelta(0)

picks = st.integers(0, 30)
"""Which of those there are; taken modulo how many."""

jumps = st.sampled_from([seconds(0.6), seconds(0.6), minutes(1), hours(1), -seconds(47)])
"""Beyond the life of a claim's cursor, to what is delayed, and back."""

losses = st.sampled_from([False, False, False, True])
"""Whether an answer is lost."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A run that somebody may want to enqueue."""

    queue: str
    name: str
    """The id that was chosen for it; '' for one that is made up."""
    key: str
    held: Held | timedelta
    delay_ms: int
    is_counted: bool

    def run(self, id: str, number: int) -> NewRun:
        """With bytes that no other has."""
        return NewRun(
            id=id,
            queue=self.queue,
            payload=f"payload {number} of {id}".encode(),
            delay_ms=self.delay_ms,
            key=self.key,
            held=self.held,
            is_counted=self.is_counted,
            is_named=bool(self.name),
        )


wishes = st.builds(
    Wish,
    queue=st.sampled_from(QUEUES),
    name=st.sampled_from(["", "", "", "chosen", "named"]),
    key=st.sampled_from(["", "", "key", "other"]),
    held=st.sampled_from([Held.ACTIVE, Held.QUEUED, minutes(5)]),
    delay_ms=st.sampled_from([0, 0, 0, 60_000, 3_600_000]),
    is_counted=st.booleans(),
)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a worker asks for."""

    want: int
    most: int
    order: Sequence[str]
    may_take_over: bool
    is_lost: bool
    """Whether it never hears the answer."""

    @property
    def shares(self) -> list[Share]:
        """As the store takes it."""
        return [Share(queue=name, most=self.most, lease=LEASE) for name in self.order]


looks = st.builds(
    Look,
    want=st.integers(1, 6),
    most=st.integers(1, 6),
    order=st.permutations(QUEUES),
    may_take_over=st.sampled_from([True, True, False]),
    is_lost=losses,
)


class How(StrEnum):
    """How an attempt may end."""

    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"
    FAILED = "failed"
    SNOOZED = "snoozed"
    RELEASED = "released"
    DEAD = "dead"
    PARKED = "parked"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Which of a worker's attempts ends, and how."""

    pick: int
    how: How
    delay: timedelta
    keep: timedelta


outcomes = st.builds(
    Outcome,
    pick=picks,
    how=st.sampled_from(How),
    delay=st.sampled_from([AT_ONCE, minutes(1)]),
    keep=st.sampled_from([hours(1), AT_ONCE]),
)
