"""Jobs that ignore their cancellation: nobody waits for them, and what they do too late is lost."""

from signal import SIGTERM
from time import monotonic

import pytest

from app.context import Services
from app.engine import Ending
from tests.eventually import eventually
from tests.life import jobs
from tests.life.home import Home, history
from tests.plugins.cases import Case

GRACE, ABANDON = 0.5, 0.5
ROOM = 1.5  # s: what the machine does beside may take so long
TIMEOUT = jobs.cling.timeout.total_seconds()


@pytest.mark.case(4)
@pytest.mark.parametrize(
    ("program", "cancelled_by"), [("arq", "stop"), ("steward", "stop"), ("arq", "timeout")]
)
async def test_a_worker_leaves_on_time_and_what_clings_to_it_goes_elsewhere(
    home: Home, steward: Services, program: str, cancelled_by: str, case: Case
) -> None:
    start = home.worker if program == "arq" else home.steward
    grace = GRACE if cancelled_by == "stop" else 2 * TIMEOUT
    leaving = start(STEWARD_WORKER__GRACE=str(grace), STEWARD_WORKER__ABANDON_AFTER=str(ABANDON))
    await leaving.ready(steward.client)
    handle = await steward.client.enqueue(jobs.cling)
    await home.ledger.until("clinging", 1)

    leaving.send(SIGTERM)
    told_at = monotonic()
    code = await leaving.exit_code()
    left_after = monotonic() - told_at
    home.ledger.open_gate("cling-1")
    home.ledger.open_gate("cling-2")
    other = await home.worker().ready(steward.client)
    attempt = await handle.result()

    case.says(
        f"{cancelled_by} for a run that heeds no cancellation ({program})",
        arq="exit after 14.4 s, and it runs again though it finished",
        steward=f"exit after {left_after:.1f} s; it goes on elsewhere, once",
    )
    begun = home.ledger.lines("clinging")
    is_charged = cancelled_by == "timeout"
    assert code == 0
    assert left_after <= (TIMEOUT if is_charged else GRACE) + ABANDON + 1 + ROOM
    assert [line.pid for line in begun] == [leaving.pid, other.pid]
    assert attempt == begun[1].attempt == (2 if is_charged else 1)
    assert "Traceback" not in leaving.said()
    assert "abandoned" in leaving.said()


@pytest.mark.case(4)
async def test_a_deaf_run_begins_again_in_another_process_and_what_it_returns_is_dropped(
    home: Home, steward: Services, case: Case
) -> None:
    workers = [
        await home.worker(STEWARD_WORKER__ABANDON_AFTER=str(ABANDON)).ready(steward.client)
        for _ in range(2)
    ]
    handle = await steward.client.enqueue(jobs.cling)

    first, second = await home.ledger.until("clinging", 2)
    home.ledger.open_gate("cling-1")
    await home.ledger.until("let go", 1)
    home.ledger.open_gate("cling-2")

    result = await handle.result()
    run = await history(steward, handle.id)
    case.says(
        "a run that heeds no time-out, with two workers",
        arq="the same worker runs it twice at once",
        steward=f"begun in the other one after {second.at - first.at:.1f} s; too late is dropped",
    )
    assert {first.pid, second.pid} == {each.pid for each in workers}
    assert result == 2
    assert (run.attempts, run.status) == (2, Ending.SUCCEEDED)
    assert second.at - first.at >= TIMEOUT + ABANDON
    assert all(each.is_alive for each in workers)


@pytest.mark.case(4)
async def test_a_deaf_run_that_nobody_else_takes_ends_its_worker_for_a_fresh_one(
    home: Home, steward: Services, case: Case
) -> None:
    spent = await home.worker(STEWARD_WORKER__ABANDON_AFTER=str(ABANDON)).ready(steward.client)
    handle = await steward.client.enqueue(jobs.cling)

    code = await spent.exit_code()
    await home.worker().ready(steward.client)
    first, second = await home.ledger.until("clinging", 2)
    home.ledger.open_gate("cling-2")

    result = await handle.result()
    case.says(
        "a run that heeds no time-out, with one worker",
        arq="the same worker runs it twice at once",
        steward="the worker ends in order, and it begins in the next one",
    )
    assert code == 0
    assert first.pid == spent.pid != second.pid
    assert result == second.attempt == 2
    assert f"run {handle.id} ignored its cancellation, and nobody else" in spent.said()


@pytest.mark.case(4)
async def test_a_deaf_run_that_listens_in_the_end_begins_again_where_it_was(
    home: Home, steward: Services
) -> None:
    worker = await home.worker(STEWARD_WORKER__ABANDON_AFTER=str(ABANDON)).ready(steward.client)
    handle = await steward.client.enqueue(jobs.cling)
    await home.ledger.until("clinging", 1)
    await eventually(lambda: "abandoned" in worker.said())

    home.ledger.open_gate("cling-1")
    (let_go,) = await home.ledger.until("let go", 1)
    first, second = await home.ledger.until("clinging", 2)
    home.ledger.open_gate("cling-2")

    assert await handle.result() == 2
    assert first.pid == second.pid == worker.pid
    assert second.at > let_go.at
