"""Workers told to stop: what is short finishes, what is long goes to others, nothing is charged."""

from contextlib import suppress
from signal import SIGINT, SIGTERM, Signals
from time import monotonic

import pytest

from app.context import Services
from app.engine import Ending, RunStatus, seconds
from app.local.home import USERS_LOCK
from app.local.lock import Lock
from tests.eventually import eventually
from tests.life import jobs
from tests.life.home import Home, history
from tests.life.processes import WorkerProcess
from tests.local.conftest import server_pid
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

GRACE = 1.5
ROOM = 1.5  # s: what the machine does beside may take so long


@pytest.mark.case(3)
async def test_short_runs_finish_and_long_ones_go_to_another_worker_without_a_charge(
    home: Home, steward: Services, case: Case, tier: Tier
) -> None:
    leaving = await home.worker(STEWARD_WORKER__GRACE=str(GRACE)).ready(steward.client)
    short = [await steward.client.enqueue(jobs.hold, "short") for _ in range(10)]
    long = [await steward.client.enqueue(jobs.hold, "long") for _ in range(10)]
    await home.ledger.until("begun", 20)
    staying = await home.worker().ready(steward.client)

    leaving.send(SIGTERM)
    told_at = monotonic()
    await _heard(leaving)
    late = await steward.client.enqueue_many(jobs.note.call() for _ in range(50))
    home.ledger.open_gate("short")
    code = await leaving.exit_code()
    left_after = monotonic() - told_at
    again = (await home.ledger.until("begun", 30))[20:]
    home.ledger.open_gate("long")

    started_after = max(line.at for line in again) - told_at
    case.says(
        "SIGTERM with 10 short and 10 long runs",
        arq="all cancelled at once, and an attempt is charged",
        steward=f"the short end, exit after {left_after:.1f} s; the long begin elsewhere,"
        f" {started_after:.1f} s after the signal, uncharged",
    )
    assert code == 0
    assert left_after <= tier.bound(GRACE + 1, loose=GRACE + 1 + ROOM)
    assert started_after <= GRACE + 1  # within a second of being given back
    assert {line.run for line in again} == {each.id for each in long}
    assert {line.pid for line in again} == {staying.pid}
    assert {await each.result() for each in late} == {staying.pid}
    assert {await each.result() for each in short + long} == {1}
    assert {line.pid for line in home.ledger.lines("ended")} == {leaving.pid, staying.pid}
    (opened,), (closed,) = (
        [line.run for line in home.ledger.lines(what) if line.pid == leaving.pid]
        for what in ("opened", "closed")
    )
    assert opened == closed  # one task opened and closed the services, once
    told = [await history(steward, each.id) for each in long]
    assert {(run.attempts, run.status) for run in told} == {(1, Ending.SUCCEEDED)}


@pytest.mark.case(3)
async def test_after_the_signal_nothing_is_claimed_though_slots_are_free(
    home: Home, steward: Services
) -> None:
    leaving = await home.worker().ready(steward.client)
    short = [await steward.client.enqueue(jobs.hold, "short") for _ in range(10)]
    await home.ledger.until("begun", 10)

    leaving.send(SIGTERM)
    await _heard(leaving)
    late = [await steward.client.enqueue(job) for job in (jobs.ask, jobs.note) * 5]
    home.ledger.open_gate("short")
    code = await leaving.exit_code()

    assert code == 0
    assert {await each.result() for each in short} == {1}
    assert {await each.status() for each in late} == {RunStatus.QUEUED}
    other = await home.worker().ready(steward.client)
    assert {await each.result() for each in late} == {other.pid}


@pytest.mark.case(3)
@pytest.mark.parametrize("signal", [SIGTERM, SIGINT])
async def test_a_second_signal_ends_the_grace(
    home: Home, steward: Services, signal: Signals, case: Case, tier: Tier
) -> None:
    worker = await home.worker(STEWARD_WORKER__GRACE="60").ready(steward.client)
    handle = await steward.client.enqueue(jobs.hold)
    await home.ledger.until("begun", 1)
    worker.send(signal)
    await _heard(worker)

    worker.send(signal)
    told_at = monotonic()
    code = await worker.exit_code(within=seconds(10))
    left_after = monotonic() - told_at

    case.says(
        f"a second {signal.name}",
        arq="exit after 14.2 s",
        steward=f"exit after {left_after:.2f} s",
    )
    assert code == 0
    assert left_after < tier.bound(0.5, loose=ROOM + 0.5)
    assert await handle.status() == RunStatus.QUEUED
    assert "Traceback" not in worker.said()


@pytest.mark.not_by(why="is about the home's own Valkey")
@pytest.mark.parametrize("signal", [SIGTERM, SIGINT])
async def test_a_worker_stopped_while_it_starts_leaves_nothing_behind(
    home: Home, signal: Signals
) -> None:
    worker = home.worker()
    await eventually(lambda: _valkey_lives(home))

    worker.send(signal)

    assert await worker.exit_code() == 0
    assert not await _valkey_lives(home)
    assert "Traceback" not in worker.said()
    with Lock(home.path / USERS_LOCK) as users:
        assert users.take()


async def _heard(worker: WorkerProcess) -> None:
    """It has said that it stops."""
    await eventually(lambda: "stopping" in worker.said())


async def _valkey_lives(home: Home) -> bool:
    with suppress(FileNotFoundError, ValueError):
        return bool(server_pid(home.path))
    return False
