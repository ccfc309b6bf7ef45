"""Effects on the world outside, by the attempts of workers: each happens once, or is in doubt.

The act follows its beginning at once; what may be cut off is that somebody says so. The rules of
effects are the engine's own and pure (app.engine.effect); here they meet crashes, replays, late
writers and a person who settles.
"""

from collections import Counter
from functools import partial

from hypothesis import strategies as st
from msgspec.structs import replace

from app.engine import ASK, REPEAT, Codec, Effect, EffectState, LeaseLost, Place, RedisLedger
from app.engine.effect import begun, ended
from app.engine.ledger import change, settle
from tests.engine.machine.bench import Bench
from tests.engine.machine.draws import AT_ONCE, How, Outcome, picks
from tests.engine.machine.hand import JOB, Hand
from tests.engine.machine.turns import turn
from tests.engine.machine.working import Steps
from tests.engine.steps import HOUR

_CODEC = Codec([b"a key that only the machine signs with"])
_NAMES = st.sampled_from(["mail", "order"])


class Doing(Steps):
    """Workers that act, and a person who looks."""

    def __init__(self, bench: Bench) -> None:
        self.ledger = RedisLedger(bench.store, _CODEC)
        self.acts = Counter[str]()
        self.allowed = Counter[str]()
        self.under_way: list[Effect] = []
        super().__init__(bench)

    @turn(
        4,
        when=lambda self: any(hand.attempts for hand in self.hands),
        pick=picks,
        name=_NAMES,
        asks=st.sampled_from([True, True, False]),
    )
    def act(self, pick: int, name: str, asks: bool) -> None:
        """An attempt begins an effect, and if nothing speaks against it, acts."""
        busy = [hand for hand in self.hands if hand.attempts]
        hand = busy[pick % len(busy)]
        place = pick % len(hand.attempts)
        mine = self._beginning(hand, place, name, asks=asks)
        run = self.model.runs.get(mine.place.run_id)
        has_lease = run is not None and run.lease_text == hand.attempts[place][0].lease
        decide = partial(begun, mine=mine, in_doubt=ASK if asks else REPEAT)
        lease = hand.attempts[place][0].lease
        try:
            stands = self.bench.do(change(self.ledger, mine.place, None, decide, lease=lease))
        except LeaseLost:
            assert not has_lease, "whoever has the lease may act"
            self._span()
            return
        self._span()
        assert has_lease, "whoever has lost the lease does not act any more"
        assert stands
        expected = self.model.begin(mine, asks=asks)
        assert (stands.state, stands.by) == expected, f"{mine.place.key}: {stands}"
        claimed, key = hand.attempts[place]
        hand.attempts[place] = (replace(claimed, is_counted=True), key)
        if expected == (EffectState.BEGUN, mine.by):
            self._do_it(mine, asks=asks)
        elif expected[0] is EffectState.IN_DOUBT:  # such a run dies, until a person has settled it
            dies = Outcome(pick=place, how=How.DEAD, delay=AT_ONCE, keep=HOUR)
            self._end(hand, [dies], is_lost=False)

    def _beginning(self, hand: Hand, place: int, name: str, *, asks: bool) -> Effect:
        run, _ = hand.attempts[place]
        return Effect(
            place=Place(run_id=run.id, origin=self.model.origin_of(run.id), name=name),
            state=EffectState.BEGUN,
            by=self._id(),
            job=JOB,
            attempt=run.attempt,
            worker=hand.name,
            since=0,
            asks=asks,
        )

    def _do_it(self, mine: Effect, *, asks: bool) -> None:
        key = mine.place.key
        self.allowed[key] += not asks
        self.acts[key] += 1
        assert self.acts[key] <= 1 + self.allowed[key], f"I3: {key} happened again"
        self.under_way.append(mine)

    @turn(3, when=lambda self: self.under_way, pick=picks)
    def say_it_is_done(self, pick: int) -> None:
        """Whoever acted says so, however late."""
        mine = self.under_way.pop(pick % len(self.under_way))
        then = replace(mine, state=EffectState.DONE)
        decide = partial(ended, mine=mine, then=then)
        stands = self.bench.do(change(self.ledger, mine.place, mine, decide))
        self._span()
        expected = self.model.done(mine)
        assert (stands and (stands.state, stands.by)) == expected

    @turn()
    def look_for_doubts(self) -> None:
        """Some worker looks for what was under way when its run died."""
        assert self.bench.do(self.ledger.find_doubts()) == self.model.find_doubts()
        self._span()

    @turn(when=lambda self: self.model.doubts, pick=picks, happened=st.booleans())
    def settle_a_doubt(self, pick: int, happened: bool) -> None:
        """A person has found out."""
        found = self.bench.do(self.ledger.in_doubt(limit=100))
        assert {(each.place.run_id, each.place.name) for each in found} == self.model.doubts
        effect = sorted(found, key=lambda each: each.place.key)[pick % len(found)]
        stands = self.bench.do(settle(self.ledger, effect, happened=happened))
        self._span()
        expected = self.model.settle_effect(effect.place, happened=happened)
        assert (stands and (stands.state, stands.by)) == expected
        self.allowed[effect.place.key] += not happened
