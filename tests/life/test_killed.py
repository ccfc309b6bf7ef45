"""Workers killed in the middle of a run: others finish it, and its effect stays one."""

from signal import SIGKILL
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import func, select

from app.context import Services
from app.engine import Ending, Handle, RunStatus, seconds
from app.jobs import ai
from app.storage.notifications import NoticeRow
from app.storage.task import TaskStatus
from tests.eventually import eventually
from tests.life import jobs
from tests.life.home import LEASE, STEWARD, Home, history
from tests.life.processes import WorkerProcess
from tests.life.witness import Witness
from tests.plugins.cases import Case


@pytest.mark.case(1)
async def test_a_killed_workers_run_is_finished_by_another_and_its_mail_went_out_once(
    home: Home, steward: Services, case: Case
) -> None:
    victim = await home.worker().ready(steward.client)
    handle = await steward.client.enqueue(jobs.mail, "once")
    await home.ledger.until("mailed", 1)
    await home.worker().ready(steward.client)

    victim.send(SIGKILL)
    killed_at = monotonic()
    home.ledger.open_gate()
    message_id = await handle.result(within=2 * LEASE + seconds(10))

    first, second = home.ledger.lines("mailed")
    recovered = second.at - killed_at
    run = await history(steward, handle.id)
    case.says(
        "kill -9 of a worker that has just mailed",
        arq="the run starts again after 310 s, and mails again",
        steward=f"after {recovered:.1f} s, and the mail went out once",
    )
    assert recovered <= 2 * LEASE.total_seconds()
    assert (first.pid, first.attempt) == (victim.pid, 1)
    assert second.pid != victim.pid
    assert (run.attempts, run.status) == (2, Ending.SUCCEEDED)
    (mail,) = (home.path / "mail" / "outbox" / "cur").iterdir()
    assert f"Message-ID: {message_id}" in mail.read_text()


@pytest.mark.case(1)
async def test_of_200_runs_none_is_lost_or_done_twice_when_one_of_two_workers_is_killed(
    home: Home, steward: Services, witness: Witness, case: Case
) -> None:
    victim, other = home.worker(), home.worker()
    await victim.ready(steward.client)
    await other.ready(steward.client)
    calls = [jobs.tell.call(wait=number % 2 == 0) for number in range(200)]
    handles = await steward.client.enqueue_many(calls)
    witness.accept(*(handle.id for handle in handles))
    await eventually(lambda: _holds(home, victim, 10))

    witness.kill(victim)
    home.ledger.open_gate()
    attempts = [await handle.result(within=seconds(30)) for handle in handles]

    begun = home.ledger.lines("begun")
    again = [line for line in begun if line.attempt > 1]
    tally = (await witness.oracle()).demand()
    case.says(
        "kill -9 of one of two workers with 200 runs",
        arq="its runs start again after 310 s",
        steward=f"{tally.rerun} runs, the last after {tally.recovery(1):.1f} s; 0 lost",
    )
    assert tally.completed == 200
    assert set(attempts) == {1, 2}
    assert {line.run for line in home.ledger.lines("ended")} == {each.id for each in handles}
    assert len({(line.run, line.attempt) for line in begun}) == len(begun)
    assert all(line.pid == other.pid for line in again)
    assert await _notices(steward) == 200


@pytest.mark.case(1)
async def test_a_task_left_by_a_killed_worker_is_executed_by_another_and_told_once(
    home: Home, steward: Services
) -> None:
    victim = await home.worker(STEWARD).ready(steward.client)
    owner = await steward.users.owner()
    created = await steward.client.enqueue(
        ai.create_reminder, owner.id, "call Ann", steward.client.store.clock.now() + seconds(1)
    )
    task = await created.result()
    assert task.run_id
    run = steward.client.run(task.run_id)

    async with steward.database.write() as session:
        await session.execute(select(1))  # from here on the run can't write
        await eventually(lambda: _is(run, RunStatus.RUNNING))
        victim.send(SIGKILL)
        await victim.exit_code()
    await home.worker(STEWARD).ready(steward.client)
    await run.result()

    told = await history(steward, run.id)
    done = await steward.tasks.get(owner.id, task.task_id)
    assert (told.attempts, told.status) == (2, Ending.SUCCEEDED)
    assert done.status is TaskStatus.COMPLETED
    assert await _notices(steward) == 1


async def _is(run: Handle[Any], status: RunStatus) -> bool:
    return await run.status() == status


async def _holds(home: Home, worker: WorkerProcess, count: int) -> bool:
    """Whether so many runs are in the middle in that process."""
    ended = {line.run for line in home.ledger.lines("ended")}
    begun = home.ledger.lines("begun")
    return sum(line.pid == worker.pid and line.run not in ended for line in begun) >= count


async def _notices(steward: Services) -> int:
    async with steward.database.read() as session:
        return await session.scalar(select(func.count()).select_from(NoticeRow)) or 0
