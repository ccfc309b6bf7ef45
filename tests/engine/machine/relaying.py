"""What is written down elsewhere, and the relays that bring it in: each row becomes one run.

A relay takes the lease, reads rows, brings them, deletes them and lets go; it may stand still or
die after each of these, and its lease may end meanwhile.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from app.engine import Brought, Handover, Overtaken
from app.engine.redis import keys
from app.engine.run import NewRun
from tests.engine.machine.bench import Bench
from tests.engine.machine.draws import Wish, picks, wishes
from tests.engine.machine.turns import turn
from tests.engine.machine.working import Steps
from tests.engine.steps import LEASE

_MOST_RELAYS = 2
_AT_ONCE = 3  # rows that a relay reads


@dataclass(eq=False)
class Relay:
    """One round of a relay, as far as it has come."""

    handover: Handover
    read: dict[str, NewRun] = field(default_factory=dict[str, NewRun])
    brought: list[str] | None = None
    deleted: list[str] | None = None


class Relaying(Steps):
    """Rows, and relays that empty them."""

    def __init__(self, bench: Bench) -> None:
        self.rows: dict[str, NewRun] = {}
        self.relays: list[Relay] = []
        self.new_of = Counter[str]()
        super().__init__(bench)

    @turn(2, wanted=st.lists(wishes, min_size=1, max_size=2))
    def write_down(self, wanted: Sequence[Wish]) -> None:
        """Some transaction wants runs."""
        for wish in wanted:
            run = wish.run(wish.name or self._id(), self.names)
            self.rows[f"mark of {run.id}, {self._id()}"] = run

    @turn(2, when=lambda self: self.rows and len(self.relays) < _MOST_RELAYS)
    def begin_relaying(self) -> None:
        """A relay may begin while no other is at work; then it reads, not before."""
        relay = Relay(Handover(self.bench.store, lease=LEASE))
        is_ours = self.bench.do(relay.handover.begin())
        self._span()
        assert is_ours == (self.model.relay is None), "one relay at a time"
        if is_ours:
            self.model.relay = relay
            relay.read = dict([*self.rows.items()][:_AT_ONCE])
            self.relays.append(relay)

    @turn(4, when=lambda self: self.relays, pick=picks, far=st.integers(1, 3))
    def go_on_relaying(self, pick: int, far: int) -> None:
        """One of them takes its next steps."""
        relay = self.relays[pick % len(self.relays)]
        for _ in range(far):
            if relay not in self.relays:
                return
            if relay.brought is None:
                self._bring(relay)
            elif relay.deleted is None:
                relay.deleted = [mark for mark in relay.brought if self.rows.pop(mark, None)]
            else:
                self._let_go(relay)

    def _bring(self, relay: Relay) -> None:
        try:
            answers = self.bench.do(relay.handover.bring(relay.read))
        except Overtaken:
            assert self.model.relay is not relay, "whoever holds the lease may bring"
            self._span()
            self.relays.remove(relay)
            return
        span = self._span()
        assert self.model.relay is relay, "who has lost the lease brings nothing"
        for mark, answer in answers.items():
            expected = self.model.bring(mark, relay.read[mark], span)
            assert answer is expected, f"{mark} was {answer.name}, not {expected.name}"
            self.new_of[mark] += answer is Brought.NEW
            assert self.new_of[mark] <= 1, f"I3: {mark} became two runs"
        relay.brought = [*answers]
        self._settle()

    def _let_go(self, relay: Relay) -> None:
        self.bench.do(relay.handover.end(relay.deleted or ()))
        self._span()
        if self.model.relay is relay:
            self.model.relay = None
            self.model.marks -= {*(relay.deleted or ())}
        self.relays.remove(relay)

    @turn(when=lambda self: self.relays, pick=picks)
    def relay_dies(self, pick: int) -> None:
        """It is killed; its lease and its marks stay."""
        self.relays.pop(pick % len(self.relays))

    @turn(2, when=lambda self: self.model.relay)
    def relay_stands_still(self) -> None:
        """Its lease ends; it may not know yet."""
        self.bench.delete(keys.RELAY)
        self.model.relay = None
        self._span()
