"""The life of an effect: what may follow what, for whoever begins, ends and settles it."""

from dataclasses import dataclass, field

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.engine import ASK, REPEAT, Effect, EffectState, InDoubt, Place, is_same
from app.engine.effect import begun, doubted, ended, settled

PLACE = Place(run_id="run-1", origin="run-1@0", name="mail")
DONE, IN_DOUBT, SETTLED = EffectState.DONE, EffectState.IN_DOUBT, EffectState.SETTLED


def effect(by: str, state: EffectState = EffectState.BEGUN) -> Effect:
    return Effect(place=PLACE, state=state, by=by, job="test.job", attempt=1, worker="w1", since=0)


def test_who_finds_nothing_may_begin() -> None:
    assert begun(None, effect("a"), ASK) == effect("a")


def test_who_asks_again_after_a_lost_answer_may_go_on() -> None:
    assert begun(effect("a"), effect("a"), ASK) == effect("a")


def test_what_is_done_or_settled_is_never_begun_again() -> None:
    for found in (effect("a", DONE), effect("a", SETTLED)):
        for in_doubt in InDoubt:
            assert begun(found, effect("b"), in_doubt) == found


def test_an_effect_goes_with_the_latest_run_that_came_to_it() -> None:
    replay = msgspec.structs.replace(PLACE, run_id="run-2")
    mine = msgspec.structs.replace(effect("b"), place=replay)

    for state in (DONE, SETTLED, IN_DOUBT):
        found = effect("a", state)
        assert begun(found, mine, ASK) == msgspec.structs.replace(found, place=replay)
        assert not is_same(found, begun(found, mine, ASK))


def test_what_another_has_begun_is_in_doubt_or_repeated_as_the_job_wants() -> None:
    for found in (effect("a"), effect("a", IN_DOUBT)):
        assert begun(found, effect("b"), ASK) == effect("a", IN_DOUBT)
        assert begun(found, effect("b"), REPEAT) == effect("b")


def test_only_who_began_it_may_end_it() -> None:
    mine, done = effect("a"), effect("a", DONE)

    assert ended(mine, mine, done) == done
    assert ended(effect("a", IN_DOUBT), mine, done) == done
    assert ended(mine, mine, None) is None
    assert ended(effect("b"), mine, done) == effect("b")
    assert ended(effect("a", SETTLED), mine, done) == effect("a", SETTLED)
    assert ended(None, mine, done) is None


def test_only_a_doubt_is_settled() -> None:
    assert settled(effect("a", IN_DOUBT), happened=True) == effect("a", SETTLED)
    assert settled(effect("a", IN_DOUBT), happened=False) is None
    assert settled(effect("a"), happened=True) == effect("a")
    assert settled(effect("a", DONE), happened=False) == effect("a", DONE)
    assert settled(None, happened=True) is None


def test_two_places_never_share_a_key() -> None:
    ours = Place(run_id="a", origin="a@1", name="x")

    assert ours.key != msgspec.structs.replace(ours, origin="a@2").key
    assert ours.key != Place(run_id="a", origin="a@1", name="a@1/x", is_shared=True).key


@dataclass
class World:
    """One effect, those who are at it, and how often it has really happened."""

    in_doubt: InDoubt
    record: Effect | None = None
    acting: list[Effect] = field(default_factory=list[Effect])
    happened: int = 0
    attempts: int = 0
    doubted: bool = False
    wrong_word: bool = False

    def begin(self) -> None:
        """A new attempt comes to it, wherever the others are."""
        self.attempts += 1
        mine = effect(f"attempt {self.attempts}")
        self.record = begun(self.record, mine, self.in_doubt)
        self.doubted |= self.record.state is IN_DOUBT
        if is_same(self.record, mine):
            self.acting.append(mine)

    def act(self, *, tells: bool) -> None:
        """The first who acts does it; then it says so, or dies before it can."""
        if self.acting:
            mine = self.acting.pop(0)
            self.happened += 1
            if tells:
                self.record = ended(self.record, mine, msgspec.structs.replace(mine, state=DONE))

    def die(self) -> None:
        """The first who acts dies before it did anything."""
        if self.acting:
            self.acting.pop(0)

    def refuse(self) -> None:
        """The first who acts finds that it can't, and says so."""
        if self.acting:
            self.record = ended(self.record, self.acting.pop(0), None)

    def cut_off(self) -> None:
        """The first who acts was cut off after it happened, and says that it can't tell."""
        if self.acting:
            mine = self.acting.pop(0)
            self.happened += 1
            self.record = ended(self.record, mine, doubted(mine))

    def settle(self) -> None:
        """A person looks, and tells the truth; who is still at it then is dead."""
        if self.record is not None and self.record.state is IN_DOUBT:
            self.acting.clear()
            self.record = settled(self.record, happened=self.happened > 0)


STEPS = st.lists(
    st.sampled_from(["begin", "told", "untold", "die", "refuse", "cut_off", "settle"]), max_size=30
)


def after(in_doubt: InDoubt, steps: list[str]) -> World:
    world = World(in_doubt)
    for step in steps:
        match step:
            case "told" | "untold":
                world.act(tells=step == "told")
            case _:
                getattr(world, step)()
    return world


@given(STEPS)
def test_what_asks_never_happens_twice(steps: list[str]) -> None:
    world = after(ASK, steps)

    assert world.happened <= 1
    assert world.happened == 1 or world.record is None or world.record.state not in (DONE, SETTLED)


@given(STEPS)
def test_what_asks_is_done_or_in_doubt_once_it_happened_and_somebody_comes(
    steps: list[str],
) -> None:
    world = after(ASK, [*steps, "told"])
    world.begin()

    if world.happened:
        assert world.record is not None
        assert world.record.state in (DONE, SETTLED, IN_DOUBT)


@given(STEPS)
def test_what_repeats_happens_in_the_end_and_once_when_nobody_dies(steps: list[str]) -> None:
    calm = [step for step in steps if step in ("begin", "told", "refuse")]
    alone = [each for step in calm for each in ([step, "told"] if step == "begin" else [step])]

    assert after(REPEAT, [*steps, "begin", "told", "told", "told"]).happened >= 1 or not steps
    assert after(REPEAT, [*alone, "begin", "told"]).happened == 1


@given(STEPS)
def test_what_repeats_never_asks(steps: list[str]) -> None:
    steps = [step for step in steps if step != "cut_off"]

    assert not after(REPEAT, steps).doubted


@given(STEPS, st.sampled_from(InDoubt))
def test_a_done_or_settled_effect_stays_what_it_is(steps: list[str], in_doubt: InDoubt) -> None:
    world = World(in_doubt, record=effect("before", DONE))
    for step in steps:
        if step not in ("told", "untold"):
            getattr(world, step)()

    assert world.record == effect("before", DONE)
    assert not world.happened
