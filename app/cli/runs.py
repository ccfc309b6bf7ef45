"""`steward runs`: what waits and runs, as Redis knows it, then what is over, from the history."""

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from app.cli.answer import Facts, show_json, show_table
from app.cli.failures import Misused
from app.cli.options import Json, Limit, QueueName, Status

if TYPE_CHECKING:
    from app.engine import RunInfo
    from app.settings import Settings
    from app.storage.glance import Glance
    from app.storage.run import Run
    from app.storage.runs import Runs

runs = App(name="runs")

_COLUMNS = ("id", "status", "result_status", "when", "took", "job", "queue", "attempts", "error")


@runs.default
async def list_runs(
    *, status: Status = None, queue: QueueName = None, limit: Limit = 50, json: Json = False
) -> None:
    """List runs: those that wait or run, due first, then the others, the latest first.

    A result's own status (partial_success, not_configured ...) stands beside, while it is kept.
    """
    from app.connection import open_client
    from app.engine import RunStatus, Unavailable
    from app.queues import NAMES
    from app.settings import read_settings

    settings = read_settings()
    if queue is not None and queue not in NAMES:
        raise Misused(f"--queue: {queue!r} is none of {', '.join(sorted(NAMES))}")
    wanted = RunStatus(status) if status and status in {*RunStatus} else None
    rows: list[Facts] = []
    said: dict[str, str] = {}
    if status is None or wanted in _alive():
        async with open_client(settings) as client:
            found = await client.find(status=wanted, queue=queue, limit=limit)
        rows += map(living, found)
    if status is None or wanted not in _alive():
        rows += await _past(settings, status, queue, limit)
    rows = _once(rows)[:limit]
    if over := [str(row["id"]) for row in rows if row["status"] == "succeeded"]:
        with suppress(Unavailable):  # the history tells without Redis, too
            async with open_client(settings) as client:
                said = await client.lookup.result_statuses(over)
    rows = [{**row, "result_status": said.get(str(row["id"]), "")} for row in rows]
    if json:
        show_json(rows)
    else:
        show_table(rows, _COLUMNS, empty="No runs.")


def living(run: "RunInfo") -> Facts:
    """A run that waits or runs, as it is shown."""
    return {
        "id": run.id,
        "job": run.job,
        "queue": run.queue,
        "status": run.status.value,
        "attempts": run.attempt,
        "when": run.due_at,
        "took": None,
        "error": f"waiting for a limit: {run.waits_for}" if run.waits_for else "",
        "enqueued_at": run.enqueued_at,
        "due_at": run.due_at,
        "worker": run.worker,
    }


def past(run: "Run") -> Facts:
    """A run of the history, as it is shown."""
    kind = run.error_kind.removeprefix("builtins.")
    return {
        "id": run.id,
        "job": run.job,
        "queue": run.queue,
        "status": run.status.value,
        "attempts": run.attempts,
        "when": run.ended_at,
        "took": run.ended_at - run.started_at,
        "error": f"{kind}: {run.error_message}" if kind else "",
        "enqueued_at": run.enqueued_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "worker": run.worker,
        "parent": run.parent,
        "owner": run.owner,
    }


@asynccontextmanager
async def open_history(settings: "Settings") -> "AsyncGenerator[Glance | Runs | None]":
    """The history of runs; None when nothing has run yet, for looking must not make a database."""
    from app.connection import database_at
    from app.storage.glance import Glance

    place = database_at(settings)
    if isinstance(place, Path):
        if not place.exists():
            yield None
            return
        glance = Glance(place)
        if await glance.is_possible():
            yield glance
            return
    from app.storage.database import Database
    from app.storage.runs import Runs

    async with Database.open(place) as database:
        await database.migrate()
        yield Runs(database)


async def _past(
    settings: "Settings", status: str | None, queue: str | None, limit: int
) -> list[Facts]:
    from app.engine import Ending

    async with open_history(settings) as history:
        if history is None:
            return []
        ending = Ending(status) if status else None
        return [*map(past, await history.list(status=ending, queue=queue, limit=limit))]


def _once(rows: list[Facts]) -> list[Facts]:
    """Each run once: what Redis knows of a waiting run is newer than its last attempt."""
    seen: dict[object, Facts] = {}
    for row in rows:
        seen.setdefault(row["id"], row)
    return [*seen.values()]


def _alive() -> Collection[str]:
    from app.engine import RunStatus

    return {RunStatus.QUEUED, RunStatus.DEFERRED, RunStatus.RUNNING, RunStatus.PARKED}
