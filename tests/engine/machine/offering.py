"""Workers that wait with an offer, and runs that are handed to them by the enqueue itself.

A plain run that is enqueued alone is leased to a worker that offers and lives, and told to it once,
on its connection; or it waits on its queue like any other. The message may be lost: the worker then
knows that its connection broke, and its next claim says what it has.
"""

from collections.abc import Sequence
from dataclasses import replace

from app.engine.run import Claimed, NewRun
from tests.engine.machine.bench import Bench, Message
from tests.engine.machine.draws import QUEUES, Look, Wish, losses, picks, wishes
from tests.engine.machine.turns import turn
from tests.engine.machine.working import Steps


class Offering(Steps):
    """Offers, taken and withdrawn."""

    def __init__(self, bench: Bench) -> None:
        self.next_is_lost = False
        super().__init__(bench)

    @turn(2, when=lambda self: self.hands, pick=picks)
    def idle(self, pick: int) -> None:
        """A worker with nothing to do claims, and offers."""
        hand = self._hand(pick)
        if not hand.known() and not hand.is_wary:
            look = Look(want=3, most=3, order=QUEUES, may_take_over=True, is_lost=False)
            self._claim(hand, look)

    @turn(3, when=lambda self: self.hands, pick=picks, wish=wishes, is_frozen=losses)
    def be_handed(self, pick: int, wish: Wish, is_frozen: bool) -> None:
        """It does, perhaps stands still, and somebody enqueues a run alone."""
        self.idle(pick)
        if is_frozen:
            self.freeze(pick, is_long=False)
        plain = replace(wish, name="", key="", delay_ms=0, is_counted=False)
        self.enqueue([plain])

    @turn(when=lambda self: self.hands, pick=picks)
    def withdraw(self, pick: int) -> None:
        """A worker takes its offer back."""
        hand = self._hand(pick)
        self.bench.do(self.bench.store.withdraw(hand.name, QUEUES))
        hand.is_offering = False
        self.model.offers.pop(hand.name, None)
        self._span()

    @turn()
    def lose_the_next_message(self) -> None:
        """A connection breaks while it is told of a run."""
        self.next_is_lost = True

    def _sent_alone(self, sent: Sequence[NewRun]) -> None:
        super()._sent_alone(sent)
        handed = self.bench.handed()
        if not handed:
            return
        (message,) = handed
        (run,) = sent
        assert run.is_plain, f"{run.id} was handed over, and is not plain"
        worker, id, queue, payload = message
        assert (id, queue, payload) == (run.id, run.queue, run.payload), "told of another run"
        assert self.model.offers.get(worker) == "open", f"{worker} has made no offer"
        assert worker in self.model.alive, f"{worker} shows no sign of life"
        self.model.offers[worker] = "taken"
        self.model.hand_over(id, worker)
        self._hear(message)

    def _hear(self, message: Message) -> None:
        worker, id, queue, payload = message
        (hand,) = [each for each in self.hands if each.name == worker]
        hand.is_offering = False
        if self.next_is_lost:
            hand.is_wary, self.next_is_lost = True, False
        else:
            run = Claimed(id=id, queue=queue, payload=payload, worker=worker)
            hand.attempts.append((run, ""))
            self._begun(hand, [run])
