"""`effects`: what is in doubt, and a person's word about it."""

from collections.abc import Sequence

import anyio
import pytest
from msgspec.structs import replace

from app.connection import open_client
from app.engine import Effect, EffectState, NeedsReview, Place
from app.jobs.maintenance import prune_history
from app.storage.database import Database
from app.storage.effects import Effects
from tests.cli.command import Command
from tests.engine.steps import buried, claim
from tests.scratch_home import Given


def doubt(run_id: str, name: str) -> Effect:
    return Effect(
        place=Place(run_id=run_id, origin=f"{run_id}@0", name=name),
        state=EffectState.IN_DOUBT,
        by="a",
        job="test.job",
        attempt=2,
        worker="w1",
        since=1_700_000_000_000,
    )


def write(steward: Command, *effects: Effect) -> None:
    async def put() -> None:
        async with Database.open(steward.home / "steward.db") as database:
            await database.migrate()
            for each in effects:
                await Effects(database).swap(each.place, None, each, lease="")

    anyio.run(put)


def dead_of_a_doubt(steward: Command) -> str:
    """A run that lies among the dead letters, until somebody says what it did."""

    async def die() -> str:
        settings = Given.model_validate({"home": steward.home})
        async with open_client(settings) as client:
            handle = await client.enqueue(prune_history)
            runs = (await claim(client.store, queues=["maintenance"])).runs
            (run,) = (each for each in runs if each.id == handle.id)
            await client.store.commit([buried(run, error=NeedsReview("unknown"))])
        return handle.id

    return anyio.run(die)


def names(steward: Command) -> Sequence[str]:
    return [each["effect"] for each in steward("effects", "--json").json()]


def test_a_home_without_a_database_has_no_doubts_and_gets_none(steward: Command) -> None:
    assert steward("effects").out == "No effect is in doubt.\n"
    assert not (steward.home / "steward.db").exists()


def test_doubts_are_listed_and_settled_one_by_one(idle_steward: Command) -> None:
    write(idle_steward, doubt("run-1", "mail"), doubt("run-1", "call"), doubt("run-2", "mail"))
    assert set(names(idle_steward)) == {"mail", "call"}
    (first, *_) = idle_steward("effects", "list", "--json").json()
    assert (first["job"], first["attempt"], first["begun_at"][:10]) == (
        "test.job",
        2,
        "2023-11-14",
    )

    unclear = idle_steward("effects", "settle", "run-1", "done")
    wrong = idle_steward("effects", "settle", "run-1", "done", "--name", "wrong")
    named = idle_steward("effects", "settle", "run-1", "done", "--name", "mail", "--json").json()
    other = idle_steward("effects", "settle", "run-1", "not-done", "--json").json()
    again = idle_steward("effects", "settle", "run-1", "not-done")

    assert unclear.code == 1
    assert "several effects of run run-1 are in doubt: --name one of" in unclear.line
    assert named == [{"id": "run-1", "effect": "mail", "done": "done", "new_id": None}]
    assert other[0]["effect"] == "call"
    assert "no effect 'wrong' of run run-1 is in doubt: --name one of" in wrong.line
    assert again.line == "steward: no effect of run run-1 is in doubt"
    assert names(idle_steward) == ["mail"]


@pytest.mark.parametrize("words", [("run-1",), ("run-1", "perhaps"), ()])
def test_settling_says_what_it_wants_to_know(steward: Command, words: tuple[str, ...]) -> None:
    done = steward("effects", "settle", *words)

    assert done.code == 2
    assert done.line


@pytest.mark.parametrize(("happened", "whether"), [(True, "done"), (False, "not-done")])
def test_a_run_that_was_settled_just_before_redis_went_away_goes_on_when_told_again(
    idle_steward: Command, happened: bool, whether: str
) -> None:
    run_id = dead_of_a_doubt(idle_steward)
    effect = doubt(run_id, "mail")
    settled = replace(effect, state=EffectState.SETTLED) if happened else None
    write(idle_steward, *([settled] if settled else []))

    done = idle_steward("effects", "settle", run_id, whether, "--json").json()
    again = idle_steward("effects", "settle", run_id, whether)

    assert done[0]["new_id"]
    assert again.code == 1
    assert "is in doubt" in again.line


def test_what_was_settled_as_done_is_not_undone(idle_steward: Command) -> None:
    run_id = dead_of_a_doubt(idle_steward)
    write(idle_steward, replace(doubt(run_id, "mail"), state=EffectState.SETTLED))

    done = idle_steward("effects", "settle", run_id, "not-done")

    assert done.line == f"steward: mail of run {run_id} is settled by now, as done"
