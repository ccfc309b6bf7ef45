"""Several worker processes under one supervisor, which come and go, and no run is lost."""

from collections.abc import Collection, Sequence
from signal import SIGKILL, SIGTERM
from time import monotonic

import psutil
import pytest

from app.context import Services
from app.engine import Handle, RunStatus, days, seconds
from tests.eventually import eventually
from tests.life import jobs
from tests.life.home import Home, worked_until
from tests.life.processes import WorkerProcess

LONG = seconds(40)
FULL = 15
"""Leases that a recovery may take where the other process has no room: one more has to start."""
SPENT = "this worker stops, for a fresh one to go on"


async def test_a_process_that_is_killed_is_replaced_and_none_of_its_runs_is_lost(
    home: Home, steward: Services
) -> None:
    supervisor = home.supervisor(2, STEWARD_WORKER__CONCURRENCY="20")
    await alive(steward, supervisor, 2)
    home.witness.limit = FULL
    calls = [jobs.tell.call(wait=number % 2 == 0) for number in range(60)]  # too many for one
    handles = await steward.client.enqueue_many(calls)
    victim = (await home.ledger.until("begun", 40))[-1].pid

    home.send(victim, SIGKILL)
    killed_at = monotonic()
    pids = await alive(steward, supervisor, 2, without={victim})
    replaced_after = monotonic() - killed_at
    home.ledger.open_gate()
    attempts = [await each.result(within=LONG) for each in handles]

    again = [line for line in home.ledger.lines("begun") if line.attempt > 1]
    print(
        f"1 of 2 processes killed and replaced after {replaced_after:.1f} s;"
        f" of 60 runs {len(again)} began again, none is lost"
    )
    assert set(attempts) == {1, 2}
    assert {line.pid for line in again} <= pids
    assert {line.run for line in home.ledger.lines("ended")} == {each.id for each in handles}
    assert supervisor.said().count(f"worker process {victim} was killed by SIGKILL") == 1
    assert supervisor.is_alive


@pytest.mark.parametrize("told", ["supervisor", "all"])
async def test_a_supervisor_stops_its_processes_in_order_and_a_signal_to_all_counts_once(
    home: Home, steward: Services, told: str
) -> None:
    supervisor = home.supervisor(2, STEWARD_WORKER__GRACE="1.5", STEWARD_WORKER__CONCURRENCY="6")
    pids = await alive(steward, supervisor, 2)
    short = [await steward.client.enqueue(jobs.hold, "short") for _ in range(5)]
    long = [await steward.client.enqueue(jobs.hold, "long") for _ in range(5)]
    begun = await home.ledger.until("begun", 10)

    for pid in (supervisor.pid, *(pids if told == "all" else ())):
        home.send(pid, SIGTERM)
    home.ledger.open_gate("short")
    code = await supervisor.exit_code()

    assert code == 0
    assert {line.pid for line in begun} == pids
    assert [await each.result() for each in short] == [1] * 5
    assert {await each.status() for each in long} == {RunStatus.QUEUED}
    assert await next_attempts(home, long) == {1}
    assert not any(map(psutil.pid_exists, pids))
    assert "Traceback" not in supervisor.said()


async def test_a_supervisor_that_is_told_twice_ends_its_processes_at_once(
    home: Home, steward: Services
) -> None:
    supervisor = home.supervisor(2, STEWARD_WORKER__GRACE="60")
    await alive(steward, supervisor, 2)
    held = await steward.client.enqueue(jobs.hold)
    await home.ledger.until("begun", 1)

    supervisor.send(SIGTERM)
    await eventually(lambda: one_left(supervisor))  # the one with nothing to do has gone
    supervisor.send(SIGTERM)
    told_at = monotonic()
    code = await supervisor.exit_code()

    print(f"told a second time, two processes had left after {monotonic() - told_at:.2f} s")
    assert code == 0
    assert await held.status() == RunStatus.QUEUED


async def test_processes_whose_supervisor_is_killed_leave_in_order(
    home: Home, steward: Services
) -> None:
    supervisor = home.supervisor(2, STEWARD_WORKER__GRACE="1")
    pids = await alive(steward, supervisor, 2)
    held = [await steward.client.enqueue(jobs.hold) for _ in range(4)]
    await home.ledger.until("begun", 4)

    supervisor.send(SIGKILL)
    killed_at = monotonic()
    await eventually(lambda: not any(map(psutil.pid_exists, pids)), within=LONG)

    print(
        f"2 processes without a supervisor left after {monotonic() - killed_at:.1f} s (grace 1 s)"
    )
    assert not await steward.client.workers()
    assert {await each.status() for each in held} == {RunStatus.QUEUED}
    assert await next_attempts(home, held) == {1}


async def test_of_200_runs_none_is_lost_or_doubled_by_processes_that_are_spent(
    home: Home, steward: Services
) -> None:
    handles = await steward.client.enqueue_many(jobs.note.call() for _ in range(200))
    supervisor = home.supervisor(2, STEWARD_WORKER__MAX_RUNS="40", STEWARD_WORKER__CONCURRENCY="4")

    ran_in = {await each.result(within=LONG) for each in handles}
    code = await stopped(supervisor)

    print(f"200 runs in {len(ran_in)} processes of 40 runs and more each")
    noted = home.ledger.lines("noted")
    assert sorted(line.run for line in noted) == sorted(each.id for each in handles)
    assert {line.attempt for line in noted} == {1}
    assert len(ran_in) >= 3
    assert f"{SPENT}: it has done 40 runs" in supervisor.said()
    assert code == 0


async def test_a_process_that_holds_too_much_memory_is_replaced(
    home: Home, steward: Services
) -> None:
    supervisor = home.supervisor(1, STEWARD_WORKER__MAX_MEMORY="400")
    (first,) = await alive(steward, supervisor, 1)

    hoards = [await steward.client.enqueue(jobs.hoard, 100) for _ in range(5)]
    held = await steward.client.enqueue(jobs.hold)
    await eventually(lambda: SPENT in supervisor.said(), within=LONG)
    home.ledger.open_gate()
    (second,) = await alive(steward, supervisor, 1, without={first})
    after = await steward.client.enqueue(jobs.note)

    assert {await each.result(within=LONG) for each in hoards} == {first}
    assert await held.result(within=LONG) == 1
    assert await after.result(within=LONG) == second
    assert await stopped(supervisor) == 0
    assert "MiB of memory, more than 400" in supervisor.said()


async def test_arqs_command_ends_well_and_says_why_when_its_worker_is_spent(
    home: Home, steward: Services
) -> None:
    worker = home.worker(STEWARD_WORKER__MAX_RUNS="3")
    handles = [await steward.client.enqueue(jobs.note) for _ in range(3)]

    code = await worker.exit_code()

    assert code == 0
    assert worker.said().count(f"{SPENT}: it has done 3 runs") == 1
    assert {await each.result() for each in handles} == {worker.pid}


@pytest.mark.tier("T2")
async def test_each_tick_is_run_once_by_three_processes(home: Home, steward: Services) -> None:
    await worked_until(steward, jobs.YEARLY, ago=days(800))

    supervisor = home.supervisor(3)
    pids = await alive(steward, supervisor, 3)
    await home.ledger.until("noted", len(jobs.YEARLY))
    code = await stopped(supervisor)

    noted = home.ledger.lines("noted")
    assert sorted(line.run.partition("@")[0] for line in noted) == sorted(
        each.name for each in jobs.YEARLY
    )
    assert {line.pid for line in noted} <= pids
    assert code == 0


async def alive(
    steward: Services,
    supervisor: WorkerProcess,
    count: int,
    *,
    without: Collection[int] = (),
) -> set[int]:
    """The processes of its live workers, once there are so many, and none of those."""

    async def look() -> set[int]:
        assert supervisor.is_alive, supervisor.said()
        pids = {each.pid for each in await steward.client.workers()}.difference(without)
        return pids if len(pids) == count else set()

    return await eventually(look, within=LONG)


async def stopped(supervisor: WorkerProcess) -> int:
    """Its exit code, once it has stopped in order."""
    supervisor.send(SIGTERM)
    return await supervisor.exit_code(within=LONG)


def one_left(supervisor: WorkerProcess) -> bool:
    return len(psutil.Process(supervisor.pid).children()) == 1


async def next_attempts(home: Home, handles: Sequence[Handle[int]]) -> set[int]:
    """Which attempts it are when another worker runs them: the first, if none was charged."""
    for gate in ("gate", "long"):
        home.ledger.open_gate(gate)
    home.worker()
    return {await each.result(within=LONG) for each in handles}
