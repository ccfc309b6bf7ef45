"""`steward effects`: what jobs may or may not have done when they were cut off; say which."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from app.cli.answer import Facts, show_json, show_table
from app.cli.failures import NotDone
from app.cli.options import Json, Limit, RunId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from app.engine import Client, Effect
    from app.settings import Settings
    from app.storage.effects import Effects

effects = App(name="effects")

_COLUMNS = ("id", "job", "effect", "attempt", "worker", "begun_at")
_MANY = 10_000

Name = Annotated[str | None, Parameter(help="Which, if several of this run are in doubt.")]
Happened = Annotated[Literal["done", "not-done"], Parameter(name="WHETHER", help="Which it is.")]


@effects.default
@effects.command(name="list")
async def list_effects(*, limit: Limit = 50, json: Json = False) -> None:
    """List the effects of which nobody knows whether they happened, the oldest first."""
    from app.settings import read_settings

    async with _ledger(read_settings()) as ledger:
        found = await ledger.in_doubt(limit=limit) if ledger else ()
    rows = [*map(_facts, found)]
    if json:
        show_json(rows)
    else:
        show_table(rows, _COLUMNS, empty="No effect is in doubt.")


@effects.command(name="settle")
async def settle_effect(
    run_id: RunId, whether: Happened, /, *, name: Name = None, json: Json = False
) -> None:
    """Say whether it happened; if its run is a dead letter, that is queued again and goes on."""
    from app.connection import open_client
    from app.engine import settle
    from app.settings import read_settings

    settings = read_settings()
    async with _ledger(settings) as ledger, open_client(settings) as client:
        if ledger is None:
            raise NotDone(f"no effect of run {run_id} is in doubt")
        doubts = await _doubts(ledger, run_id)
        if not doubts:
            await _go_on(ledger, client, run_id, whether, as_json=json)
            return
        effect = _the_one(doubts, run_id, name)
        stands = await settle(ledger, effect, happened=whether == "done")
        if stands is not None and whether == "not-done":
            raise NotDone(f"{effect.place.name} is {stands.state.value} by now")
        is_clear = not await _doubts(ledger, run_id)
        new_id = await _queued_again(client, run_id) if is_clear else None
    _say(run_id, effect.place.name, whether, new_id, as_json=json)


async def _go_on(
    ledger: "Effects", client: "Client", run_id: str, whether: str, *, as_json: bool
) -> None:
    """Queue a run again whose last doubt was settled, when Redis went away just then."""
    if not await _waits_for_a_person(client, run_id):
        raise NotDone(f"no effect of run {run_id} is in doubt")
    settled = [each for each in await ledger.of_run(run_id) if each.state.value == "settled"]
    if settled and whether == "not-done":
        raise NotDone(f"{settled[0].place.name} of run {run_id} is settled by now, as done")
    names = ", ".join(each.place.name for each in settled)
    _say(run_id, names, whether, await _queued_again(client, run_id), as_json=as_json)


async def _waits_for_a_person(client: "Client", run_id: str) -> bool:
    """Whether it lies among the dead letters since somebody had to say what happened."""
    from app.engine import DeadLetters, NeedsReview, UnknownRun

    try:
        letter = await DeadLetters(client).get(run_id)
    except UnknownRun:
        return False
    return letter.last.kind.endswith(f".{NeedsReview.__name__}")


def _say(run_id: str, effect: str, whether: str, new_id: str | None, *, as_json: bool) -> None:
    row = {"id": run_id, "effect": effect, "done": whether, "new_id": new_id}
    if as_json:
        show_json([row])
    else:
        show_table([row], tuple(row), empty="")


@asynccontextmanager
async def _ledger(settings: "Settings") -> "AsyncGenerator[Effects | None]":
    """The effects; None when nothing has run yet, for looking must not make a database."""
    from app.connection import database_at
    from app.storage.database import Database
    from app.storage.effects import Effects

    place = database_at(settings)
    if isinstance(place, Path) and not place.exists():
        yield None
        return
    async with Database.open(place) as database:
        await database.migrate()
        yield Effects(database)


async def _doubts(ledger: "Effects | None", run_id: str) -> "Sequence[Effect]":
    found = await ledger.in_doubt(limit=_MANY) if ledger else ()
    return [each for each in found if each.place.run_id == run_id]


def _the_one(doubts: "Sequence[Effect]", run_id: str, name: str | None) -> "Effect":
    wanted = [each for each in doubts if name in (None, each.place.name)]
    if not wanted:
        names = ", ".join(each.place.name for each in doubts)
        raise NotDone(f"no effect {name!r} of run {run_id} is in doubt: --name one of {names}")
    if len(wanted) > 1:
        names = ", ".join(each.place.name for each in wanted)
        raise NotDone(f"several effects of run {run_id} are in doubt: --name one of {names}")
    return wanted[0]


async def _queued_again(client: "Client", run_id: str) -> str | None:
    """The id of the run that goes on; None when there is no dead letter."""
    from app.engine import DeadLetters, UnknownRun

    try:
        return (await DeadLetters(client).retry(run_id)).id
    except UnknownRun:
        return None


def _facts(effect: "Effect") -> Facts:
    return {
        "id": effect.place.run_id,
        "job": effect.job,
        "effect": effect.place.name,
        "attempt": effect.attempt,
        "worker": effect.worker,
        "begun_at": datetime.fromtimestamp(effect.since / 1000, UTC),
    }
