"""The ledger of effects in the database: compared and replaced, kept as long as it is needed."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from app.engine import Effect, EffectState, Ledger, ManualClock, Place, days, settle
from app.storage.database import Database
from app.storage.effects import KEPT, Effects

MAIL = Place(run_id="run-1", origin="run-1@0", name="mail")
BEGUN = Effect(
    place=MAIL,
    state=EffectState.BEGUN,
    by="a",
    job="test.job",
    attempt=1,
    worker="w1",
    since=1_700_000_000_000,
)
DONE = replace(BEGUN, state=EffectState.DONE, result=b"\x01")
DOUBT = replace(BEGUN, state=EffectState.IN_DOUBT)
RUNS = ("run-1", "run-2", "run-3")


@pytest.fixture
def effects(database: Database, clock: ManualClock) -> Effects:
    return Effects(database, now=clock.now)


async def put(effects: Effects, *some: Effect) -> None:
    for each in some:
        await effects.swap(each.place, None, each, lease="")


def elsewhere(effect: Effect, run_id: str) -> Effect:
    return replace(effect, place=replace(effect.place, run_id=run_id, origin=f"{run_id}@0"))


async def test_what_is_known_is_replaced_and_the_rest_is_told(effects: Effects) -> None:
    ledger: Ledger = effects

    first = await ledger.swap(MAIL, None, BEGUN, lease="w1:1")
    again = await ledger.swap(MAIL, None, replace(BEGUN, by="b"), lease="w2:2")
    ended = await ledger.swap(MAIL, BEGUN, DONE, lease="")
    repeated = await ledger.swap(MAIL, BEGUN, DONE, lease="")
    removed = await ledger.swap(MAIL, DONE, None, lease="")
    after = await ledger.swap(MAIL, DONE, BEGUN, lease="")

    assert first == again == BEGUN
    assert ended == repeated == DONE
    assert removed is None
    assert after is None


async def test_places_have_nothing_to_do_with_each_other(effects: Effects) -> None:
    shared = replace(BEGUN, place=replace(MAIL, is_shared=True))

    await put(effects, BEGUN, shared, elsewhere(BEGUN, "run-2"))

    assert await effects.swap(MAIL, BEGUN, DONE, lease="") == DONE
    assert await effects.swap(shared.place, None, None, lease="") == shared


async def test_what_is_in_doubt_is_listed_oldest_first_until_it_is_settled(
    effects: Effects,
) -> None:
    later = replace(elsewhere(DOUBT, "run-2"), since=DOUBT.since + 1)
    await put(effects, later, DOUBT, elsewhere(DONE, "run-3"))

    listed, count = await effects.in_doubt(), await effects.count_in_doubt()
    await settle(effects, DOUBT, happened=True)
    await settle(effects, later, happened=False)

    assert listed == (DOUBT, later)
    assert count == 2
    assert await effects.in_doubt() == ()
    assert await effects.swap(DOUBT.place, None, None, lease="") == replace(
        DOUBT, state=EffectState.SETTLED
    )
    assert await effects.swap(later.place, None, None, lease="") is None


async def test_an_effect_is_forgotten_a_week_after_its_run_was_last_seen(
    effects: Effects, clock: ManualClock
) -> None:
    await put(effects, DONE, elsewhere(DONE, "run-2"), elsewhere(DOUBT, "run-3"))
    clock.advance(days(5))
    assert await effects.runs(after="") == RUNS
    await effects.seen(["run-2"])
    assert await effects.runs(after="run-1") == ("run-3",)

    clock.advance(KEPT - days(5) + timedelta(hours=23))
    assert await effects.forget(RUNS) == 0
    clock.advance(timedelta(hours=2))
    assert await effects.forget(RUNS, dry_run=True) == 1
    assert await effects.forget(RUNS[1:]) == 0
    assert await effects.forget(RUNS) == 1

    clock.advance(days(30))
    assert await effects.forget(RUNS) == 1
    assert await effects.in_doubt() == (elsewhere(DOUBT, "run-3"),)
