"""Programs that a job had started, and the death of its worker."""

from signal import SIGKILL
from time import monotonic

import psutil
import pytest

from app.context import Services
from app.engine import seconds
from tests.eventually import eventually
from tests.life import jobs
from tests.life.home import Home
from tests.plugins.cases import Case

SOON = 2.0  # s


@pytest.mark.case(11)
@pytest.mark.tier("T2")
async def test_they_are_gone_soon_after_it(home: Home, steward: Services, case: Case) -> None:
    home.supervisor(2)
    await steward.client.enqueue(jobs.beget)
    begot = await eventually(lambda: _children_at_work(home), within=seconds(50))

    home.send(begot[0].ppid(), SIGKILL)
    killed_at = monotonic()
    await eventually(lambda: not any(map(_lives, begot)), within=seconds(10 * SOON))

    took = monotonic() - killed_at
    case.says(
        "kill -9 of a worker whose job has children",
        arq="they live on",
        steward=f"all gone after {took:.1f} s",
    )
    assert took <= SOON


@pytest.mark.case(11)
@pytest.mark.tier("T2")
async def test_of_a_worker_that_nobody_keeps_they_live_on(
    home: Home, steward: Services, case: Case
) -> None:
    worker = await home.worker().ready(steward.client)
    await steward.client.enqueue(jobs.beget)
    begot = await eventually(lambda: _children_at_work(home), within=seconds(50))
    try:
        worker.send(SIGKILL)
        await worker.exit_code()
        left = [each for each in begot if _lives(each)]
    finally:
        for each in begot:
            each.kill()

    case.says(
        "the same of a worker that was started by hand, as `arq app.worker.WorkerSettings`",
        arq="they live on",
        steward=f"{len(left)} of {len(begot)} live on, as README says: nobody is there to end them",
    )
    assert left == begot


async def _children_at_work(home: Home) -> list[psutil.Process]:
    """The shell that the job has started, and what that has."""
    for worker in home.started:
        for each in psutil.Process(worker.pid).children(recursive=True):
            if each.name() == "sh" and each.children():
                return [each, *each.children()]
    return []


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
