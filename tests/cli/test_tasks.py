"""`tasks`: a user's own tasks are shown, paused, run and deleted; nobody else's."""

from collections.abc import Generator

import pytest
from arq.connections import RedisSettings

from app.cli.failures import Misused, NotDone
from app.cli.remind import remind_user
from app.cli.tasks import (
    delete_task,
    list_tasks,
    pause_task,
    resume_task,
    run_task_now,
    show_stats,
    show_task,
)
from app.storage.database import Database
from app.storage.users import Users
from tests.cli.inside import Inside, inside


@pytest.fixture
def steward(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clean_redis: RedisSettings
) -> Generator[Inside]:
    with inside(monkeypatch, capsys, clean_redis) as steward:
        yield steward


async def test_a_task_is_listed_paused_resumed_run_and_deleted(steward: Inside) -> None:
    made = await steward.json(remind_user, "every day at 9 to drink water")
    task = made["task_id"]

    (listed,) = await steward.json(list_tasks)
    (paused,) = await steward.json(pause_task, task)
    with pytest.raises(NotDone, match=f"^task {task} is paused: resume it first$"):
        await run_task_now(task)
    (resumed,) = await steward.json(resume_task, task)
    (ran,) = await steward.json(run_task_now, task)
    with pytest.raises(Misused, match=f"this deletes task {task}, “drink water”"):
        await delete_task(task)
    (deleted,) = await steward.json(delete_task, task, yes=True)

    assert (listed["title"], listed["type"]) == ("drink water", "periodic_task")
    assert (paused["status"], paused["run_id"]) == ("paused", None)
    assert (resumed["status"], resumed["run_id"]) == ("active", made["run_id"])
    assert ran["next_run_at"] < made["next_run_at"]
    assert ran["run_id"] != made["run_id"]
    assert deleted["status"] == "deleted"
    assert "No tasks: steward remind" in await steward.text(list_tasks)


async def test_one_users_tasks_are_another_users_secret(steward: Inside) -> None:
    made = await steward.json(remind_user, "in 1 hour to call Ann")
    async with Database.open(steward.home / "steward.db") as db:
        bob = (await Users(db).add(name="Bob", address="bob@example.org")).id

    for command, more in (
        (show_task, {}),
        (pause_task, {}),
        (resume_task, {}),
        (run_task_now, {}),
        (delete_task, {"yes": True}),
    ):
        with pytest.raises(NotDone, match=f"there is no task {made['task_id']}"):
            await steward.text(command, made["task_id"], user=bob, **more)
    with pytest.raises(Misused, match="there are 2 users"):
        await list_tasks()

    stats = await steward.json(show_stats, user=bob)
    mine = await steward.json(show_task, made["task_id"], user=1)
    counts = {"total": 0, "pending": 0, "completed": 0, "failed": 0, "success_rate": None}
    assert stats == {**counts, "types": []}
    assert (mine["status"], mine["log"]) == ("active", [])
    assert "1      1        0          0       none yet" in await steward.text(show_stats, user=1)
