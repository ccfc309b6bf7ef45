"""`steward dead`: runs that ended for good without success; look, run again, drop."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from app.cli.answer import Facts, show_json, show_table
from app.cli.failures import FAILED, OK, Misused, NotDone, complain
from app.cli.options import Everything, Json, Limit, Yes

if TYPE_CHECKING:
    from app.engine import DeadGroup, DeadLetter, DeadLetters

dead = App(name="dead")

_COLUMNS = ("id", "job", "queue", "attempts", "died_at", "group", "error")
_GROUP_COLUMNS = ("group", "letters", "job", "error", "where", "last_at")
_AT_ONCE = 1_000  # letters read for `--all` in one go; each holds a payload

Group = Annotated[str | None, Parameter(help="Those that died of this, as `dead groups` calls it.")]


@dead.default
async def list_dead(*, group: Group = None, limit: Limit = 50, json: Json = False) -> None:
    """List dead letters, the latest first."""
    from app.connection import open_client
    from app.engine import DeadLetters
    from app.settings import read_settings

    _refuse_nameless(group)
    async with open_client(read_settings()) as client:
        letters = await _in_group(DeadLetters(client), group, limit=limit)
    rows = [*map(_facts, letters)]
    if json:
        show_json(rows)
    else:
        show_table(rows, _COLUMNS, empty="There are no dead letters.")


@dead.command(name="groups")
async def list_groups(*, json: Json = False) -> None:
    """List what they died of: the same job, the same error, in the same function."""
    from app.connection import open_client
    from app.engine import DeadLetters
    from app.settings import read_settings

    async with open_client(read_settings()) as client:
        rows = [*map(_group_facts, await DeadLetters(client).groups())]
    if json:
        show_json(rows)
    else:
        show_table(rows, _GROUP_COLUMNS, empty="There are no dead letters.")


@dead.command(name="retry")
async def retry_dead(
    run_id: str | None = None,
    /,
    *,
    group: Group = None,
    everything: Everything = False,
    json: Json = False,
) -> int:
    """Run one again from its first attempt, or a group, or all of them."""

    async def retry(letters: "DeadLetters", letter: "DeadLetter") -> Facts:
        handle = await letters.retry(letter.id)
        return {"id": letter.id, "job": letter.job, "done": "queued again", "new_id": handle.id}

    chosen = _Chosen(run_id=run_id, group=group, everything=everything)
    return await _each(retry, chosen, as_json=json)


@dead.command(name="drop")
async def drop_dead(
    run_id: str | None = None,
    /,
    *,
    group: Group = None,
    everything: Everything = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Forget one for good, or a group, or all of them."""

    async def drop(letters: "DeadLetters", letter: "DeadLetter") -> Facts:
        dropped = await letters.drop(letter.id)
        done = "dropped" if dropped else "gone already"
        return {"id": letter.id, "job": letter.job, "done": done}

    chosen = _Chosen(run_id=run_id, group=group, everything=everything)
    if not yes:
        raise Misused("dropped letters can't be brought back: add --yes to drop them")
    return await _each(drop, chosen, as_json=json)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """Which letters a command is about: one of the three."""

    run_id: str | None
    group: str | None
    everything: bool

    def __post_init__(self) -> None:
        if (self.run_id is not None) + (self.group is not None) + self.everything != 1:
            raise Misused("give the id of a dead letter, or --group, or --all")
        _refuse_nameless(self.group)

    async def found(self, letters: "DeadLetters") -> "Sequence[DeadLetter]":
        if self.run_id is not None:
            return [await letters.get(self.run_id)]
        most = max(_AT_ONCE, await letters.count())
        return await _in_group(letters, self.group, limit=most)


async def _in_group(
    letters: "DeadLetters", group: str | None, *, limit: int
) -> "Sequence[DeadLetter]":
    found = await letters.list(limit=limit, group=group or "")
    if group and not found:
        raise NotDone(f"no dead letter is of the group {group}: see `steward dead groups`")
    return found


def _refuse_nameless(group: str | None) -> None:
    """An empty name is a variable that was never set, and does not mean all."""
    if group == "":
        raise Misused("--group needs the name of a group: see `steward dead groups`")


Act = Callable[["DeadLetters", "DeadLetter"], Awaitable[Facts]]


async def _each(act: Act, chosen: _Chosen, *, as_json: bool) -> int:
    """Do it to every letter that was chosen."""
    from app.connection import open_client
    from app.engine import DeadLetters, EngineError
    from app.settings import read_settings

    done: list[Facts] = []
    failures: list[str] = []
    async with open_client(read_settings()) as client:
        letters = DeadLetters(client)
        for letter in await chosen.found(letters):
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


def _facts(letter: "DeadLetter") -> Facts:
    from app.engine import queue_title

    return {
        "id": letter.id,
        "job": letter.job,
        "queue": queue_title(letter.queue),
        "attempts": len(letter.attempts),
        "died_at": letter.died_at,
        "group": letter.group,
        "worker": letter.last.worker,
        "error": f"{_short(letter.last.kind)}: {letter.last.message}",
    }


def _group_facts(group: "DeadGroup") -> Facts:
    return {
        "group": group.id,
        "letters": group.count,
        "job": group.job,
        "error": _short(group.kind),
        "where": group.place,
        "first_at": group.first_at,
        "last_at": group.last_at,
    }


def _short(kind: str) -> str:
    return kind.removeprefix("builtins.")
