"""Several workers at the same moment: what the clock or the database has for all, one does."""

from datetime import timedelta
from signal import SIGTERM

from app.context import Services
from app.engine import Ending, days, hours, minutes, seconds
from app.jobs import ai
from app.storage.run import Run
from app.storage.runs import Runs
from app.storage.task import TaskStatus
from tests.eventually import eventually
from tests.life import jobs
from tests.life.home import Home, worked_until
from tests.life.processes import WorkerProcess


async def test_of_three_workers_one_runs_each_tick(home: Home, steward: Services) -> None:
    await worked_until(steward, jobs.YEARLY, ago=days(800))

    workers = await _together(home)
    await home.ledger.until("noted", len(jobs.YEARLY))
    await _all_stop(workers)

    noted = [line.run.partition("@")[0] for line in home.ledger.lines("noted")]
    print(f"{len(noted)} runs for {len(jobs.YEARLY)} ticks seen by 3 workers")
    assert sorted(noted) == sorted(each.name for each in jobs.YEARLY)


async def test_each_due_task_is_executed_once_however_many_workers_look_for_it(
    home: Home, steward: Services
) -> None:
    owner, now = await steward.users.owner(), steward.client.store.clock.now()
    for number in range(60):
        due = now - minutes(1) + number * timedelta(milliseconds=1)
        await steward.tasks.create_reminder(owner, f"{number}", due, asked_at=now - hours(1))
    looks = [await steward.client.enqueue(ai.process_due_tasks) for _ in range(6)]

    workers = await _together(home, STEWARD_WORKER__CONCURRENCY="2")
    found = [(await look.result()).found for look in looks]
    runs = await eventually(lambda: _executed(steward, 60), within=seconds(30))
    await _all_stop(workers)

    print(f"60 due tasks, 6 looks by 3 workers found {found}")
    assert sum(found) == 60
    assert {(run.status, run.attempts) for run in runs} == {(Ending.SUCCEEDED, 1)}
    done = await steward.tasks.of(owner.id, limit=100)
    assert {task.status for task in done} == {TaskStatus.COMPLETED}


async def _together(home: Home, **variables: str) -> list[WorkerProcess]:
    workers = [home.worker(LIFE_TOGETHER="1", **variables) for _ in range(3)]
    await home.ledger.until("opened", 3)
    home.ledger.open_gate("together")
    return workers


async def _all_stop(workers: list[WorkerProcess]) -> None:
    for worker in workers:
        worker.send(SIGTERM)
    assert [await worker.exit_code() for worker in workers] == [0, 0, 0]


async def _executed(steward: Services, count: int) -> list[Run]:
    runs = [
        run for run in await Runs(steward.database).list(limit=1_000) if run.job == "ai.run_task"
    ]
    return runs if len(runs) >= count else []
