"""`steward tasks`: a user's reminders and tasks; look at them, pause them, run them, delete them.

Each command sees the tasks of one user, and no others: `--user` says whose.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from cyclopts import App, Parameter

from app.cli.answer import Facts, show_facts, show_json, show_table
from app.cli.failures import Misused, NotDone
from app.cli.options import Json, Limit, User, Yes
from app.cli.person import person

if TYPE_CHECKING:
    from app.context import Services
    from app.storage.task import Task
    from app.storage.users import User as Person

T = TypeVar("T")

tasks = App(name="tasks")

TaskId = Annotated[int, Parameter(name="ID", help="The number of the task, as `tasks` shows it.")]
Standing = Annotated[
    Literal["active", "paused", "completed", "failed"] | None,
    Parameter(name="--status", help="Of this status only."),
]

_COLUMNS = ("id", "title", "type", "status", "next_run_at", "last_run_at", "failures")
_LINES = 5  # of a task's log, shown with it

Change = Callable[["Services", int, int], Awaitable["Task"]]


@tasks.default
@tasks.command(name="list")
async def list_tasks(
    *, status: Standing = None, user: User = None, limit: Limit = 50, json: Json = False
) -> None:
    """List a user's tasks, those due soonest first."""
    from app.storage.task import TaskStatus

    async with _opened(user) as (services, owner):
        wanted = TaskStatus(status) if status else None
        found = await services.tasks.of(owner.id, status=wanted, limit=limit)
    rows = [*map(_facts, found)]
    if json:
        show_json(rows)
    else:
        show_table(rows, _COLUMNS, empty='No tasks: steward remind "tomorrow at 9 to call Ann"')


@tasks.command(name="show")
async def show_task(task_id: TaskId, /, *, user: User = None, json: Json = False) -> None:
    """Show a task, its latest result, and how its latest runs went."""
    async with _opened(user) as (services, owner):
        task = await _known(services.tasks.get(owner.id, task_id))
        log = await services.tasks.log.of(owner.id, task_id, limit=_LINES)
    lines: list[Facts] = [
        {
            "ended_at": each.ended_at,
            "ending": each.ending.value,
            "method": each.method,
            "tokens": each.tokens,
            "took_ms": each.took_ms,
            "error": each.error,
        }
        for each in log
    ]
    facts = _facts(task) | {"description": task.description, "last_result": task.last_result}
    if json:
        show_json({**facts, "log": lines})
        return
    show_facts(facts)
    print()
    show_table(lines, ("ended_at", "ending", "method", "tokens", "error"), empty="No run yet.")


@tasks.command(name="stats")
async def show_stats(*, user: User = None, json: Json = False) -> None:
    """Show how many tasks a user has, how many went well, and how each type performed."""
    async with _opened(user) as (services, owner):
        counts = await services.tasks.statistics(owner.id)
        performance = await services.tasks.log.performance(owner.id)
    total: Facts = {
        "total": counts.total,
        "pending": counts.pending,
        "completed": counts.completed,
        "failed": counts.failed,
        "success_rate": counts.success_rate and round(counts.success_rate, 1),
    }
    types: list[Facts] = [
        {
            "type": each.task_type.value,
            "runs": each.runs,
            "failed": each.failed,
            "success_rate": round(each.success_rate, 1),
            "mean_ms": each.mean_ms,
            "p95_ms": each.p95_ms,
            "longest_ms": each.longest_ms,
            "tokens": each.tokens,
        }
        for each in performance
    ]
    if json:
        show_json({**total, "types": types})
        return
    told = total if counts.success_rate is not None else {**total, "success_rate": "none yet"}
    show_table([told], tuple(total), empty="")
    print()
    show_table(types, tuple(types[0]) if types else (), empty="No run yet.")


@tasks.command(name="pause")
async def pause_task(task_id: TaskId, /, *, user: User = None, json: Json = False) -> None:
    """Let a task rest until it is resumed."""

    async def pause(services: "Services", user_id: int, task_id: int) -> "Task":
        return await services.tasks.pause(user_id, task_id)

    await _change(pause, task_id, user, as_json=json)


@tasks.command(name="resume")
async def resume_task(task_id: TaskId, /, *, user: User = None, json: Json = False) -> None:
    """Let a paused or failed task go on; a one-off past its time runs now."""

    async def resume(services: "Services", user_id: int, task_id: int) -> "Task":
        return await services.tasks.resume(user_id, task_id)

    await _change(resume, task_id, user, as_json=json)


@tasks.command(name="run-now")
async def run_task_now(task_id: TaskId, /, *, user: User = None, json: Json = False) -> None:
    """Run a task at once, whatever its schedule says; then that goes on."""

    async def run_now(services: "Services", user_id: int, task_id: int) -> "Task":
        return await services.tasks.run_now(user_id, task_id)

    await _change(run_now, task_id, user, as_json=json)


@tasks.command(name="delete")
async def delete_task(
    task_id: TaskId, /, *, yes: Yes = False, user: User = None, json: Json = False
) -> None:
    """Delete a task, its result and its log."""
    async with _opened(user) as (services, owner):
        task = await _known(services.tasks.get(owner.id, task_id))
        if not yes:
            raise Misused(f"this deletes task {task_id}, “{task.title}”: say so with --yes")
        await _known(services.tasks.delete(owner.id, task_id))
    if json:
        show_json([{"id": task_id, "title": task.title, "status": "deleted"}])
    else:
        show_table([_facts(task) | {"status": "deleted"}], ("id", "title", "status"), empty="")


async def _change(change: Change, task_id: int, user: int | None, *, as_json: bool) -> None:
    from app.jobs.ai import enqueue_next

    async with _opened(user) as (services, owner):
        task = await _known(change(services, owner.id, task_id))
        run_id = await enqueue_next(services.client, services.tasks, task)
    row = _facts(task) | {"run_id": run_id}
    if as_json:
        show_json([row])
    else:
        show_table([row], ("id", "title", "status", "next_run_at", "run_id"), empty="")


@asynccontextmanager
async def _opened(user: int | None) -> "AsyncGenerator[tuple[Services, Person]]":
    from app.connection import open_client
    from app.context import open_services
    from app.settings import read_settings

    settings = read_settings()
    async with open_client(settings) as client, open_services(settings, client) as services:
        yield services, await person(services, user)


async def _known(asked: Awaitable[T]) -> T:
    """What was asked for; that there is no such task, or that it can't be, in the user's words."""
    from app.storage.task import UnknownTask, WrongStatus

    try:
        return await asked
    except (UnknownTask, WrongStatus) as error:
        raise NotDone(str(error)) from None


def _facts(task: "Task") -> dict[str, object]:
    return {
        "id": task.id,
        "title": task.title,
        "type": task.task_type.value,
        "schedule": task.schedule_type.value,
        "status": task.status.value,
        "next_run_at": task.next_run_at,
        "last_run_at": task.last_run_at,
        "failures": task.failures,
        "channels": list(task.channels),
        "method": task.last_method,
        "last_error": task.last_error,
    }
