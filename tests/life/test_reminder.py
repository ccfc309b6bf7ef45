"""The whole way of a user's task: made, due, executed, told, in the history. Nothing is pretended.

Both stories use nothing but `arq app.worker.WorkerSettings`, the home's Valkey and its database.
"""

from datetime import timedelta

from sqlalchemy import select

from app.context import Services
from app.engine import Ending, hours, minutes, seconds
from app.jobs import ai
from app.services.notifications import Channel
from app.storage.notifications import NoticeRow
from app.storage.runs import Runs
from app.storage.task import TaskStatus
from app.timetable import TIMETABLE
from tests.eventually import eventually
from tests.life.databases import everywhere_at_once
from tests.life.home import STEWARD, Home, history, worked_until


@everywhere_at_once
async def test_a_reminder_is_made_comes_due_is_told_and_is_in_the_history(
    home: Home, steward: Services
) -> None:
    await home.worker(STEWARD).ready(steward.client)
    owner = await steward.users.owner()
    soon = steward.client.store.clock.now() + seconds(2)

    handle = await steward.client.enqueue(
        ai.create_reminder, owner.id, "call Ann", soon, channels=(Channel.IN_APP, Channel.EMAIL)
    )
    made = await handle.result()
    assert made.run_id
    ran = await history(steward, made.run_id)

    task = await steward.tasks.get(owner.id, made.task_id)
    late = ran.started_at - soon
    assert timedelta(0) <= late < seconds(5)
    assert (task.status, task.last_method) == (TaskStatus.COMPLETED, "rules")
    assert await _told(steward) == ["call Ann"]
    assert (ran.job, ran.status, ran.attempts) == ("ai.run_task", Ending.SUCCEEDED, 1)
    mailed = await history(steward, await eventually(lambda: _run_of(steward, "email.send_letter")))
    (mail,) = (home.path / "mail" / "outbox" / "cur").iterdir()
    assert (mailed.parent, mailed.owner, mailed.status) == (ran.id, "1", Ending.SUCCEEDED)
    assert "Subject: call Ann" in mail.read_text()
    assert (await history(steward, handle.id)).status == Ending.SUCCEEDED


@everywhere_at_once
async def test_a_tick_finds_the_task_that_has_no_run_and_sees_it_through(
    home: Home, steward: Services
) -> None:
    await worked_until(steward, TIMETABLE, ago=minutes(10))
    owner = await steward.users.owner()
    now = steward.client.store.clock.now()
    made = await steward.tasks.create_reminder(
        owner, "call Ann", now - minutes(5), asked_at=now - hours(1)
    )
    assert made.task.occurrence
    run_id = made.task.occurrence.run_id

    await home.worker(STEWARD).ready(steward.client)
    ran = await history(steward, run_id)

    tick = await eventually(lambda: _run_of(steward, "ai.process_due_tasks"))
    assert await _told(steward) == ["call Ann"]
    assert ran.parent == tick
    assert (await history(steward, tick)).status == Ending.SUCCEEDED
    assert (await steward.tasks.get(owner.id, made.task.id)).status is TaskStatus.COMPLETED


async def _told(steward: Services) -> list[str]:
    async with steward.database.read() as session:
        return list(await session.scalars(select(NoticeRow.title)))


async def _run_of(steward: Services, job: str) -> str:
    runs = await Runs(steward.database).list()
    return next((run.id for run in runs if run.job == job), "")
