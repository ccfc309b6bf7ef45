"""Everything stopped, Valkey included, and started again: work goes on where it was."""

from signal import SIGTERM

import pytest

from app.engine import RunStatus, seconds
from app.jobs import ai
from app.jobs.ai_results import TaskRunStatus
from app.services.notifications import Channel
from tests.life import jobs
from tests.life.home import Home, history
from tests.local.conftest import server_pid


async def test_queued_delayed_running_and_due_work_survives_a_full_stop(home: Home) -> None:
    async with home.open() as steward:
        worker = await home.worker(STEWARD_WORKER__GRACE="0").ready(steward.client)
        running = await steward.client.enqueue(jobs.hold)
        await home.ledger.until("begun", 1)
        worker.send(SIGTERM)
        assert await worker.exit_code() == 0
        queued = await steward.client.enqueue(jobs.note)
        delayed = await steward.client.enqueue(jobs.note.with_options(delay=seconds(1)))
        owner = await steward.users.owner()
        soon = steward.client.store.clock.now() + seconds(1)
        made = await steward.tasks.create_reminder(owner, "call Ann", soon, channels=(Channel.SMS,))
        due_id = await ai.enqueue_next(steward.client, steward.tasks, made.task)
    with pytest.raises(FileNotFoundError):
        server_pid(home.path)

    home.ledger.open_gate()
    async with home.open() as steward:
        await home.worker().ready(steward.client)
        for before in (running, queued, delayed):
            after = await history(steward, before.id)
            assert after.attempts == 1
            assert await steward.client.run(before.id).status() == RunStatus.SUCCEEDED
        assert due_id
        due = await steward.client.run(due_id).result()

    assert due.status is TaskRunStatus.EXECUTED
    assert [each.status for each in due.delivered] == ["not_configured"]
