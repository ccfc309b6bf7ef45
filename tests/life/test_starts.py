"""A start or an end that fails or hangs ends the process: with a code and a line that say so."""

from signal import SIGTERM

import pytest

from app.context import Services
from app.engine import seconds
from tests.life import jobs
from tests.life.home import Home
from tests.plugins.cases import Case


@pytest.mark.case(8)
@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ("Raising", "LookupError: nothing is here"),
        ("Hanging", "it could not be opened within 2 s"),
        pytest.param("Blocking", "does not react", marks=pytest.mark.tier("T2")),
    ],
)
async def test_a_start_that_does_not_succeed_ends_in_one_line(
    home: Home, settings: str, line: str, case: Case
) -> None:
    worker = home.worker(f"tests.life.starts.{settings}")

    assert await worker.exit_code() == 1
    (said,) = worker.said().splitlines()
    case.says(
        f"a start that is {settings.lower()}",
        steward=f"exit code 1 and one line: {said}",
    )
    assert line in said


@pytest.mark.case(8)
@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ("RaisingInTheEnd", "LookupError: nothing is here"),
        pytest.param(
            "HangingInTheEnd", "it could not be closed within 2 s", marks=pytest.mark.tier("T2")
        ),
        pytest.param(
            "BlockingInTheEnd", "is not closed, and does not react", marks=pytest.mark.tier("T2")
        ),
    ],
)
async def test_an_end_that_does_not_succeed_keeps_no_run_and_no_process(
    home: Home, steward: Services, settings: str, line: str, case: Case
) -> None:
    worker = await home.worker(f"tests.life.starts.{settings}").ready(steward.client)
    done = await steward.client.enqueue(jobs.note)
    assert await done.result(within=seconds(20)) == worker.pid
    held = await steward.client.enqueue(jobs.hold)
    await home.ledger.until("begun", 1)

    worker.send(SIGTERM)
    worker.send(SIGTERM)
    assert await worker.exit_code() == 1
    other = await home.worker().ready(steward.client)
    home.ledger.open_gate()

    assert await held.result(within=seconds(20)) == 1
    assert other.is_alive
    (said,) = [each for each in worker.said().splitlines() if line in each]
    case.says(
        f"closing code that is {settings.partition('In')[0].lower()}",
        steward=f"exit code 1 and: {said.partition('  ')[0] or said}; its run goes on elsewhere",
    )
