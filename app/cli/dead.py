"""`steward dead`: runs that ended for good without success; look, run again, drop."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from cyclopts import App

from app.cli.answer import Facts, show_json, show_table
from app.cli.failures import FAILED, OK, Misused, complain
from app.cli.options import Everything, Json, Limit, Yes

if TYPE_CHECKING:
    from app.engine import DeadLetter, DeadLetters

dead = App(name="dead")

_COLUMNS = ("id", "job", "queue", "attempts", "died_at", "error")
_AT_ONCE = 1_000  # letters read for `--all` in one go; each holds a payload


@dead.default
async def list_dead(*, limit: Limit = 50, json: Json = False) -> None:
    """List dead letters, the latest first."""
    from app.connection import open_client
    from app.engine import DeadLetters
    from app.settings import read_settings

    async with open_client(read_settings()) as client:
        letters = await DeadLetters(client).list(limit=limit)
    rows = [*map(_facts, letters)]
    if json:
        show_json(rows)
    else:
        show_table(rows, _COLUMNS, empty="There are no dead letters.")


@dead.command(name="retry")
async def retry_dead(
    run_id: str | None = None, /, *, everything: Everything = False, json: Json = False
) -> int:
    """Run one again from its first attempt, or all of them."""

    async def retry(letters: "DeadLetters", letter: "DeadLetter") -> Facts:
        handle = await letters.retry(letter.id)
        return {"id": letter.id, "job": letter.job, "done": "queued again", "new_id": handle.id}

    return await _each(retry, run_id, everything=everything, as_json=json)


@dead.command(name="drop")
async def drop_dead(
    run_id: str | None = None,
    /,
    *,
    everything: Everything = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Forget one for good, or all of them."""

    async def drop(letters: "DeadLetters", letter: "DeadLetter") -> Facts:
        dropped = await letters.drop(letter.id)
        done = "dropped" if dropped else "gone already"
        return {"id": letter.id, "job": letter.job, "done": done}

    if not yes:
        raise Misused("dropped letters can't be brought back: add --yes to drop them")
    return await _each(drop, run_id, everything=everything, as_json=json)


Act = Callable[["DeadLetters", "DeadLetter"], Awaitable[Facts]]


async def _each(act: Act, run_id: str | None, *, everything: bool, as_json: bool) -> int:
    """Do it to the letter with this id, or to every one there is now."""
    if (run_id is None) is not everything:
        raise Misused("give the id of a dead letter, or --all")
    from app.connection import open_client
    from app.engine import DeadLetters, EngineError
    from app.settings import read_settings

    done: list[Facts] = []
    failures: list[str] = []
    async with open_client(read_settings()) as client:
        letters = DeadLetters(client)
        for letter in await _chosen(letters, run_id):
            try:
                done.append(await act(letters, letter))
            except EngineError as error:  # one that can't be retried must not keep the others
                failures.append(str(error))
    if as_json:
        show_json(done)
    elif done or not failures:
        show_table(done, tuple(done[0]) if done else (), empty="There are no dead letters.")
    for each in failures:
        complain(each)
    return FAILED if failures else OK


async def _chosen(letters: "DeadLetters", run_id: str | None) -> "Sequence[DeadLetter]":
    if run_id is not None:
        return [await letters.get(run_id)]
    return await letters.list(limit=max(_AT_ONCE, await letters.count()))


def _facts(letter: "DeadLetter") -> Facts:
    from app.engine import queue_title

    return {
        "id": letter.id,
        "job": letter.job,
        "queue": queue_title(letter.queue),
        "attempts": len(letter.attempts),
        "died_at": letter.died_at,
        "error": f"{letter.last.kind.removeprefix('builtins.')}: {letter.last.message}",
    }
