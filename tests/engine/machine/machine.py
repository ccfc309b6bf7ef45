"""The machine: beside clients and workers those who look after the queue, and the clock."""

from datetime import timedelta

from hypothesis import strategies as st
from msgspec.structs import replace

from app.engine.redis import keys
from tests.engine.machine.doing import Doing
from tests.engine.machine.draws import QUEUES, Wish, jumps, picks, wishes
from tests.engine.machine.hand import JOB, VERSION
from tests.engine.machine.limiting import Limiting
from tests.engine.machine.offering import Offering
from tests.engine.machine.relaying import Relaying
from tests.engine.machine.runs import Place, Run
from tests.engine.machine.turns import turn
from tests.engine.steps import HOUR, cancelled_event


class Machine(Relaying, Doing, Offering, Limiting):
    """All that may happen to the queue."""

    def _any(self, pick: int, *places: Place) -> Run | None:
        runs = [run for run in self.model.runs.values() if run.place in places]
        return runs[pick % len(runs)] if runs else None

    @turn(pick=picks)
    def cancel(self, pick: int) -> None:
        """Somebody cancels a run, or what nobody knows."""
        known = [*self.model.runs.values(), None][pick % (len(self.model.runs) + 1)]
        if known:
            self._cancel(known.new.id, known.new.queue, known.new.key)
        else:
            self._cancel("unknown", "default", "")

    def _cancel(self, id: str, queue: str, key: str) -> None:
        event = cancelled_event(id, queue)
        store = self.bench.store
        answer = self.bench.do(
            store.cancel(id, queue, keep=HOUR, result=b"cancelled", key=key, event=event)
        )
        assert answer == self.model.cancel(id)
        self._span()

    @turn(when=lambda self: self.hands, pick=picks, is_known=st.booleans())
    def unpark(self, pick: int, is_known: bool) -> None:
        """A worker that knows the job, or one that knows another, looks for parked runs."""
        hand = self._hand(pick)
        versions = [(JOB, VERSION if is_known else VERSION - 1)]
        restored = self.bench.do(self.bench.store.unpark(hand.name, 100, QUEUES, versions))
        expected = self.model.unpark(hand.name) if is_known else 0
        assert restored == expected
        hand.is_wary |= restored > 0
        self._span()

    @turn(pick=picks, wish=wishes)
    def replay(self, pick: int, wish: Wish) -> None:
        """A dead letter becomes a new run."""
        letter = self._any(pick, Place.DEAD)
        dead = letter.new.id if letter else "nobody"
        run = replace(wish.run(self._id(), self.names), key="")  # as `DeadLetters` does it
        assert self.bench.do(self.bench.store.replay(dead, run)) == (letter is not None)
        span = self._span()
        if letter:
            self.model.without_letter(dead)
            self.model.put(run, span)
            self.model.move_book(dead, run.id)
        self._settle()

    @turn(pick=picks)
    def forget(self, pick: int) -> None:
        """The time is up for which a result is kept."""
        if run := self._any(pick, Place.SUCCEEDED, Place.CANCELLED, Place.REPLAYED):
            id = self.model.forget(run.new.id).new.id
            self.bench.delete(keys.result(id), keys.finished(id))
            self._span()

    @turn(queue=st.sampled_from(QUEUES))
    def look(self, queue: str) -> None:
        """How the queue stands; and no cancellation of a run that is over is left to forget."""
        assert self.bench.do(self.bench.store.sweep()) == 0
        ready, running, deferred, parked, _ = self.bench.do(self.bench.store.depth(queue))
        self._span()
        members = [run for run in self.model.runs.values() if run.new.queue == queue]
        assert parked == sum(run.place is Place.PARKED for run in members)
        waiting = [run for run in members if run.place is Place.QUEUED]
        assert ready + running + deferred == len(waiting)
        due = [run for run in waiting if run.latest <= self._now()]
        if len(due) == ready + running:  # none became due while we looked
            assert running == sum(self.model.is_at_work(run) for run in due)

    @turn(jump=jumps)
    def move_clock(self, jump: timedelta) -> None:
        """The clock goes on, or is set back."""
        self.bench.clock.advance(jump)
        self._span()
