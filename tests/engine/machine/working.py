"""What clients and workers do, each step on the real scripts and told to the model.

A worker is here what its process remembers: the attempts it has, the outcomes whose commit got no
answer, and whether an answer may be missing that brought it runs (then it is wary, and its claims
say what it has). Answers are lost, workers die, freeze and come back, commits arrive when whoever
sent them is dead, and the clock goes on or back.
"""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.engine.ended import Ended
from app.engine.redis import keys
from app.engine.run import Claimed, NewRun
from tests.engine.machine import invariants
from tests.engine.machine.bench import Bench
from tests.engine.machine.draws import Look, Outcome, Wish, looks, losses, outcomes, picks, wishes
from tests.engine.machine.hand import Hand
from tests.engine.machine.ledger import WholeModel
from tests.engine.machine.runs import Span
from tests.engine.machine.turns import draw_turn, turn
from tests.engine.steps import LEASE

_MOST_WORKERS = 3
_NEVER = 1000  # deaths: what takes its workers down is another story
_LONGEST_STEP = 5000  # ms between two pictures, on a busy machine


class Steps(RuleBasedStateMachine):
    """The queue, its workers, and those who enqueue."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        bench.empty()
        self.bench, self.model = bench, WholeModel()
        self.hands = list[Hand]()
        self.late = list[Ended]()
        self.sent = list[NewRun]()
        self.names = 0
        self.picture = bench.picture()
        self.join()

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        """Whatever may happen next."""
        draw_turn(self, data).take(self, data)

    @invariant()
    def holds(self) -> None:
        """After every step."""
        invariants.check(self.picture, self.model)

    def _span(self) -> Span:
        """From before the step that was just carried out to after it; looks at what it left."""
        before, self.picture = self.picture, self.bench.picture()
        offset = self.bench.clock.offset_ms
        return Span(before=before.server_ms + offset, after=self.picture.server_ms + offset)

    def _settle(self) -> None:
        self.model.settle(self.picture.waiting)

    def _id(self) -> str:
        self.names += 1
        return f"run-{self.names}"

    def _hand(self, pick: int) -> Hand:
        return self.hands[pick % len(self.hands)]

    def _now(self) -> float:
        return self.picture.server_ms + self.bench.clock.offset_ms

    # enqueue

    @initialize(wanted=st.lists(wishes, min_size=3, max_size=8))
    def begin(self, wanted: Sequence[Wish]) -> None:
        """There is something to do from the start."""
        self.enqueue(wanted)

    @turn(2, wanted=st.lists(wishes, min_size=1, max_size=4))
    def enqueue(self, wanted: Sequence[Wish]) -> None:
        """Some runs in one step: of new ids or taken ones, some with a key."""
        self.sent = [wish.run(wish.name or self._id(), self.names) for wish in wanted]
        self._enqueue(again=False)

    @turn(when=lambda self: self.sent)
    def enqueue_again(self) -> None:
        """The same bytes, since the answer was lost."""
        self._enqueue(again=True)

    def _enqueue(self, *, again: bool) -> None:
        receipts = self.bench.do(self.bench.far.enqueue(self.sent, again=again))
        span = self._span()
        for run, receipt in zip(self.sent, receipts, strict=True):
            had_it = self.model.has_it(run)
            expected = self.model.put(run, span)
            is_its_own = had_it or (expected.id == run.id and not run.is_named)
            assert receipt.id == expected.id, "the run that stands for it"
            assert receipt.is_new == (expected.is_new or (again and is_its_own))
        self._sent_alone(self.sent)
        self._settle()

    def _sent_alone(self, sent: Sequence[NewRun]) -> None:
        """These runs are on their queues, or were handed over."""

    @turn(is_right=st.booleans(), wish=wishes)
    def tick(self, is_right: bool, wish: Wish) -> None:
        """A schedule fires, if nobody did before."""
        run = wish.run(self._id(), self.names)
        known, then = self.model.cursor if is_right else "another's", str(self.names)
        did, cursor = self.bench.do(self.bench.store.tick("clock", known=known, then=then, run=run))
        span = self._span()
        assert did == (known == self.model.cursor)
        if did:
            self.model.cursor = then
            self.model.put(run, span)
        assert cursor == self.model.cursor
        self._settle()

    # work

    @turn(
        6,
        when=lambda self: self.hands,
        pick=picks,
        look=looks,
        chosen=st.lists(outcomes, max_size=4),
        is_lost=losses,
    )
    def work(self, pick: int, look: Look, chosen: Sequence[Outcome], is_lost: bool) -> None:
        """A worker takes what is due, and some of its attempts end."""
        hand = self._hand(pick)
        self._claim(hand, look)
        self.holds()
        self._end(hand, chosen, is_lost=is_lost)

    @turn(when=lambda self: self.hands, pick=picks, look=looks)
    def claim(self, pick: int, look: Look) -> None:
        """A worker takes what is due; the answer may be lost."""
        self._claim(self._hand(pick), look)

    def _claim(self, hand: Hand, look: Look) -> None:
        mine = hand.known() if hand.is_wary else None
        is_idle = not hand.known() and not hand.is_wary
        was_offering, hand.is_offering = hand.is_offering, look.is_lost
        answer = self.bench.do(
            self.bench.store.claim(
                hand.name,
                look.want,
                look.shares,
                mine=mine,
                may_take_over=look.may_take_over,
                was_offering=was_offering,
                offer=LEASE if is_idle else None,
                fatal=_NEVER,
            )
        )
        span, offer = self._span(), self.model.offer(hand.name, was_offering=was_offering)
        if offer == "taken" and mine is None:  # a run is on its way
            look = replace(look, want=look.want - 1)
        self.model.claim(hand.name, look, mine=mine, answer=answer, span=span)
        assert answer.is_offering == (is_idle and offer != "taken" and not answer.runs)
        if answer.is_offering:
            self.model.offers[hand.name] = "open"
        if look.is_lost:
            hand.is_wary = True
            return
        hand.is_offering = answer.is_offering
        hand.attempts += [(run, self.model.runs[run.id].new.key) for run in answer.runs]
        self._begun(hand, answer.runs)
        if mine is not None and len(answer.runs) < min(look.want, look.most):
            self._has_seen_all(hand)

    def _begun(self, hand: Hand, runs: Sequence[Claimed]) -> None:
        """A worker has these runs now."""

    def _has_seen_all(self, hand: Hand) -> None:
        """A claim that said what it has, and was brought less than it asked for, misses nothing."""
        runs = self.model.runs
        leased = {id for id, run in runs.items() if run.lease and run.lease[0] == hand.name}
        missed = leased - set(hand.known())
        due = [id for id in missed if runs[id].latest < self._now() - _LONGEST_STEP]
        assert due == [], "a live worker knows what is leased to it"
        hand.is_wary = bool(missed or hand.pending)

    @turn(
        2,
        when=lambda self: any(hand.attempts for hand in self.hands),
        pick=picks,
        chosen=st.lists(outcomes, min_size=1, max_size=4),
        is_lost=losses,
    )
    def end(self, pick: int, chosen: Sequence[Outcome], is_lost: bool) -> None:
        """Attempts of a worker end, in one commit; the answer may be lost."""
        busy = [hand for hand in self.hands if hand.attempts]
        self._end(busy[pick % len(busy)], chosen, is_lost=is_lost)

    def _end(self, hand: Hand, chosen: Sequence[Outcome], *, is_lost: bool) -> None:
        ended = hand.end(chosen)
        self._commit(ended)
        self._ended(ended, is_lost=is_lost)
        if is_lost:
            hand.pending += ended
            hand.is_wary = True

    def _ended(self, ended: Sequence[Ended], *, is_lost: bool) -> None:
        """These attempts of a worker are over; whether that was committed it may not know."""

    @turn(when=lambda self: any(hand.pending for hand in self.hands), pick=picks)
    def commit_again(self, pick: int) -> None:
        """What got no answer is sent once more."""
        unsure = [hand for hand in self.hands if hand.pending]
        hand = unsure[pick % len(unsure)]
        ended, hand.pending = hand.pending, []
        self._commit(ended)

    @turn(4, when=lambda self: self.late)
    def commit_late(self) -> None:
        """What a worker sent before it died arrives."""
        ended, self.late = self.late, []
        self._commit(ended)

    def _commit(self, ended: Sequence[Ended]) -> None:
        lost = self.bench.do(self.bench.store.commit(ended))
        self.model.commit(ended, lost, self._span())
        self._settle()

    # workers

    @turn(when=lambda self: len(self.hands) < _MOST_WORKERS)
    def join(self) -> None:
        """A new worker."""
        self.hands.append(Hand(f"worker-{self._id()}"))
        self.bench.listen(self.hands[-1].name)
        self.renew(-1)

    @turn(when=lambda self: self.hands, pick=picks)
    def renew(self, pick: int) -> None:
        """A worker shows that it lives, perhaps again after a pause."""
        hand = self._hand(pick)
        self.bench.do(self.bench.store.greet(hand.name, b"{}", LEASE))
        self.model.alive.add(hand.name)
        self._span()

    @turn(when=lambda self: self.hands, pick=picks, is_long=st.booleans())
    def freeze(self, pick: int, is_long: bool) -> None:
        """A worker shows no sign of life for too long, and knows it when it goes on."""
        hand = self._hand(pick)
        hand.is_wary = True
        self._lose_sign(hand, is_long=is_long)

    @turn(
        when=lambda self: self.hands,
        pick=picks,
        chosen=st.lists(outcomes, max_size=4),
        is_long=st.booleans(),
    )
    def crash(self, pick: int, chosen: Sequence[Outcome], is_long: bool) -> None:
        """A worker dies; what it had just sent is still on its way."""
        hand = self._hand(pick)
        self.late += hand.end(chosen)
        self.hands.remove(hand)
        self.bench.deafen(hand.name)
        self._lose_sign(hand, is_long=is_long)

    def _lose_sign(self, hand: Hand, *, is_long: bool) -> None:
        """Its sign of life ends; after long, so do the leases of all who show none."""
        self.bench.delete(keys.worker(hand.name))
        self.model.alive.discard(hand.name)
        if is_long:
            self.bench.delete(*map(keys.lease, self.model.lapse()))
        self._span()
