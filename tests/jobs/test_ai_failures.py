"""What is left of a task when its run fails, or its process ends in the middle."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import anyio
import pytest
from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncSession

from app.context import Context
from app.engine import ManualClock, RunStatus, hours
from app.engine.retry import is_permanent
from app.jobs.ai import run_task
from app.jobs.ai_results import TaskCreated, TaskRunStatus
from app.services.ai import (
    AiRequest,
    Answer,
    AssistantError,
    Keep,
    RefusedByAssistant,
    ScriptedAssistant,
    kept_nowhere,
)
from app.services.ai.errors import AssistantUnavailable, UnusableAnswer
from app.services.notifications import Notifier
from app.services.task_runs import PAUSE_AFTER
from app.services.tasks import Tasks
from app.storage.database import Database
from app.storage.task import TaskStatus
from app.storage.users import User, Users
from tests.jobs.ai_bench import at_attempt, due, notices, task_of


async def test_a_failure_is_raised_for_the_engine_to_retry(
    context: Context, owner: User, reminder: TaskCreated
) -> None:
    assistant = ScriptedAssistant("done", errors=(AssistantError("no answer"),))
    with pytest.raises(AssistantError, match="no answer"):
        await due(context, reminder, ai=assistant)
    task = await task_of(context, reminder)
    assert (task.status, task.failures) == (TaskStatus.ACTIVE, 0)

    retried = await due(context, reminder, ai=assistant)

    assert retried.status is TaskRunStatus.EXECUTED
    assert len(await notices(context, owner)) == 1


async def test_the_last_failure_of_a_one_off_fails_its_task(
    context: Context, owner: User, reminder: TaskCreated
) -> None:
    await fail_for_good(context, reminder, AssistantError("no answer"))

    task = await task_of(context, reminder)
    assert (task.status, task.failures) == (TaskStatus.FAILED, 1)
    assert task.last_error == "AssistantError: no answer"
    assert await notices(context, owner) == []


async def test_the_last_failure_of_a_recurring_task_keeps_its_schedule(
    context: Context, hourly: TaskCreated
) -> None:
    await fail_for_good(context, hourly, RuntimeError("a bug"))

    task = await task_of(context, hourly)
    assert hourly.next_run_at is not None
    assert (task.status, task.next_run_at) == (TaskStatus.ACTIVE, hourly.next_run_at + hours(1))
    assert (task.failures, task.last_error) == (1, "RuntimeError: a bug")
    assert task.run_id is not None
    assert await context.client.run(task.run_id).status() is RunStatus.DEFERRED


async def test_a_recurring_task_that_always_fails_is_paused_and_its_owner_told_once(
    context: Context, owner: User, hourly: TaskCreated, clock: ManualClock
) -> None:
    for _ in range(PAUSE_AFTER):
        assert await notices(context, owner) == []
        task = await task_of(context, hourly)
        clock.advance(hours(1))
        now = replace(hourly, next_run_at=task.next_run_at, run_id=task.run_id)
        await fail_for_good(context, now, AssistantError("no answer"))

    task = await task_of(context, hourly)
    (notice,) = await notices(context, owner)
    assert (task.status, task.failures, task.run_id) == (TaskStatus.PAUSED, PAUSE_AFTER, None)
    assert notice.title == "Paused: Stretch"
    assert f"failed {PAUSE_AFTER} times in a row" in notice.body
    assert f"steward tasks resume {task.id}" in notice.body
    assert "AssistantError: no answer" in notice.body
    resumed = await context.tasks.resume(owner.id, task.id)
    assert (resumed.status, resumed.failures) == (TaskStatus.ACTIVE, 0)


async def test_a_pause_and_what_is_told_of_it_are_written_together(
    context: Context, owner: User, hourly: TaskCreated
) -> None:
    impatient = Tasks(context.database, pause_after=1, now=context.tasks.runs.now)
    mute = replace(context, tasks=impatient, notifications=Mute(context.database))
    with pytest.raises(ConnectionError):
        await due(mute, hourly, ai=ScriptedAssistant(errors=(RefusedByAssistant("no"),)))
    assert (await task_of(context, hourly)).status is TaskStatus.ACTIVE

    with pytest.raises(RefusedByAssistant):
        await due(
            replace(context, tasks=impatient),
            hourly,
            ai=ScriptedAssistant(errors=(RefusedByAssistant("no"),)),
        )

    assert (await task_of(context, hourly)).status is TaskStatus.PAUSED
    assert len(await notices(context, owner)) == 1


class Mute(Notifier):
    """Can't tell anybody anything."""

    async def tell(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise ConnectionError("gone")


async def test_a_success_between_failures_keeps_a_task_from_its_pause(
    context: Context, owner: User, hourly: TaskCreated, clock: ManualClock
) -> None:
    for is_good in (False,) * (PAUSE_AFTER - 1) + (True, False):
        task = await task_of(context, hourly)
        clock.advance(hours(1))
        now = replace(hourly, next_run_at=task.next_run_at, run_id=task.run_id)
        if is_good:
            await due(context, now)
        else:
            await fail_for_good(context, now, AssistantError("no answer"))

    task = await task_of(context, hourly)
    assert (task.status, task.failures) == (TaskStatus.ACTIVE, 1)
    assert [each.title for each in await notices(context, owner)] == ["Stretch"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RefusedByAssistant("not allowed"), TaskStatus.FAILED),
        (UnusableAnswer("no JSON"), TaskStatus.FAILED),
        (AssistantUnavailable("busy"), TaskStatus.ACTIVE),
        (TimeoutError("no answer"), TaskStatus.ACTIVE),
        (MemoryError("too much"), TaskStatus.ACTIVE),
        (RuntimeError("a bug"), TaskStatus.ACTIVE),
    ],
)
async def test_what_no_retry_mends_is_recorded_at_the_first_failure(
    context: Context, owner: User, reminder: TaskCreated, error: Exception, status: TaskStatus
) -> None:
    with pytest.raises(type(error), match=str(error)):
        await due(context, reminder, ai=ScriptedAssistant(errors=(error,)))

    task = await task_of(context, reminder)
    failed = task.status is TaskStatus.FAILED
    assert (task.status, is_permanent(error)) == (status, failed)
    assert task.last_error == (f"{type(error).__name__}: {error}" if failed else None)
    assert await notices(context, owner) == []


async def test_a_repeat_after_the_last_failure_does_not_try_again(
    context: Context, reminder: TaskCreated
) -> None:
    await fail_for_good(context, reminder, AssistantError("no answer"))
    assistant = ScriptedAssistant()

    again = await due(context, reminder, ai=assistant)

    assert (again.status, again.reason) == ("skipped", "the task is failed")
    assert assistant.asked == []


async def test_a_failed_reminder_can_be_retried_as_a_new_run(
    context: Context, owner: User, reminder: TaskCreated
) -> None:
    await fail_for_good(context, reminder, AssistantError("no answer"))

    retried = await due(context, replace(reminder, run_id="retried"))

    task = await task_of(context, reminder)
    assert retried.status is TaskRunStatus.EXECUTED
    assert (task.status, task.failures) == (TaskStatus.COMPLETED, 0)
    assert len(await notices(context, owner)) == 1


async def test_an_assistant_that_never_answers_is_a_timeout(
    context: Context, reminder: TaskCreated, clock: ManualClock
) -> None:
    hurried = structs.replace(context.attempt, deadline_ms=clock.now_ms() + 30_050)

    with pytest.raises(TimeoutError):
        await due(replace(context, attempt=hurried), reminder, ai=Silent())


class Silent(ScriptedAssistant):
    """Never answers."""

    async def answer(self, request: AiRequest, _keep: Keep = kept_nowhere) -> Answer:
        await anyio.sleep_forever()
        raise AssertionError(request)


async def fail_for_good(context: Context, created: TaskCreated, error: Exception) -> None:
    """Let the task's run fail on its last try."""
    assert created.run_id is not None
    assert created.next_run_at is not None
    assistant = ScriptedAssistant(errors=(error,))
    last = at_attempt(context, created.run_id, number=4, ai=assistant)
    with pytest.raises(type(error)):
        await run_task(last, created.task_id, created.next_run_at)


class Killed(BaseException):
    """The process ended here."""


class Mortal(Database):
    """A database whose process is killed after so many more writes."""

    lives: int

    @asynccontextmanager
    async def write(self, *, in_turn: bool = True) -> AsyncGenerator[AsyncSession]:
        async with super().write(in_turn=in_turn) as session:
            yield session
        self.lives -= 1
        if self.lives == 0:
            raise Killed


@pytest.mark.parametrize("writes", range(1, 6))
async def test_a_run_killed_after_any_write_is_taken_up_where_it_was(
    context: Context, owner: User, hourly: TaskCreated, tmp_path: Path, writes: int
) -> None:
    assistant = ScriptedAssistant()
    now = context.tasks.runs.now
    async with Mortal.open(tmp_path / "steward.db") as mortal:
        assert isinstance(mortal, Mortal)
        mortal.lives = writes
        with pytest.raises(Killed):
            await due(
                context,
                hourly,
                database=mortal,
                ai=assistant,
                tasks=Tasks(mortal, now=now),
                users=Users(mortal),
                notifications=Notifier(mortal),
            )

    await due(context, hourly, ai=assistant)

    task = await task_of(context, hourly)
    assert hourly.next_run_at is not None
    assert (task.status, task.next_run_at) == (TaskStatus.ACTIVE, hourly.next_run_at + hours(1))
    assert len(await notices(context, owner)) == 1
    assert len(assistant.asked) == 1
    assert task.run_id is not None
    assert await context.client.run(task.run_id).status() is RunStatus.DEFERRED


async def test_a_run_killed_before_it_noted_the_answer_asks_again(
    context: Context, owner: User, hourly: TaskCreated
) -> None:
    with pytest.raises(Killed):
        await due(context, hourly, ai=Killing())

    run = await due(context, hourly)

    assert run.status is TaskRunStatus.EXECUTED
    assert len(await notices(context, owner)) == 1


class Killing(ScriptedAssistant):
    """The process ends while it thinks."""

    async def answer(self, request: AiRequest, _keep: Keep = kept_nowhere) -> Answer:
        raise Killed(request.task_id)
