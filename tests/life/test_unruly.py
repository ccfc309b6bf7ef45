"""Jobs that raise what would end a program: their run fails, and nothing else does."""

import pytest

from app.context import Services
from app.engine import DeadLetters, RunFailed
from tests.life import jobs
from tests.life.home import Home
from tests.plugins.cases import Case


@pytest.mark.case(7)
async def test_a_job_that_wants_to_end_the_process_ends_itself_only(
    home: Home, steward: Services, case: Case
) -> None:
    worker = await home.worker().ready(steward.client)
    bystander = await steward.client.enqueue(jobs.hold)
    await home.ledger.until("begun", 1)

    handles = [await steward.client.enqueue(jobs.misbehave, how) for how in jobs.UNRULY]
    for handle in handles:
        with pytest.raises(RunFailed):
            await handle.result()
    home.ledger.open_gate()

    case.says(
        f"a job raises {', '.join(type(each).__name__ for each in jobs.UNRULY.values())}",
        arq="the worker ends, and the run beside it is orphaned for 310 s",
        steward="each is that job's failure; the run beside them goes on",
    )
    letters = {letter.id for letter in await DeadLetters(steward.client).list(limit=10)}
    assert letters == {handle.id for handle in handles}
    assert await bystander.result() == 1
    assert [len(home.ledger.lines(how)) for how in jobs.UNRULY] == [1, 1, 1, 1]
    assert [each.pid for each in await steward.client.workers()] == [worker.pid]
    assert "Traceback" not in worker.said()
