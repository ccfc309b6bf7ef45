"""Runs that kill their workers: each dies alone, and whoever was beside it is done."""

from collections import Counter
from time import monotonic

import pytest

from app.context import Services
from app.engine import DeadLetters, RunFailed, WorkerDied, seconds
from tests.life import jobs
from tests.life.home import LEASE, Home
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

FATAL = 3
BOUND = FATAL * 2 * LEASE + seconds(2)
ROOM = seconds(3)  # for a machine that does other things
OTHERS = ("crash", "kill", "memory")
LATER = pytest.mark.tier("T2")


@pytest.mark.case(6)
@pytest.mark.parametrize("how", ["exit", *(pytest.param(how, marks=LATER) for how in OTHERS)])
async def test_a_run_that_kills_its_worker_dies_alone(
    home: Home, steward: Services, how: str, case: Case, tier: Tier
) -> None:
    await _workers(home, steward, FATAL + 1)
    bystanders = await steward.client.enqueue_many(jobs.hold.call() for _ in range(8))
    await home.ledger.until("begun", 8)

    began = monotonic()
    poison = await steward.client.enqueue(jobs.poison, how)
    with pytest.raises(RunFailed) as failed:
        await poison.result(within=BOUND + ROOM)
    took = monotonic() - began
    home.ledger.open_gate()
    for each in bystanders:
        await each.result(within=seconds(30))

    (letter,) = await DeadLetters(steward.client).list()
    starts = home.ledger.lines(how)
    case.says(
        f"a run that kills its worker ({how}), among others",
        arq="5 workers in 26 min, each with all that it ran",
        steward=f"{len(starts)} starts, dead with its payload in {took:.1f} s; the others are done",
    )
    bound = BOUND.total_seconds()
    assert took <= tier.bound(bound, loose=bound + ROOM.total_seconds())
    assert isinstance(failed.value.error, WorkerDied)
    assert letter.id == poison.id
    assert letter.last.message.startswith(f"crashed {FATAL}x")
    assert steward.client.codec.open_payload(letter.payload).f == jobs.poison.name
    assert [line.attempt for line in starts] == [1, 2, 3]
    assert {line.run for line in home.ledger.lines("ended")} == {each.id for each in bystanders}
    assert max(Counter(line.run for line in home.ledger.lines("begun")).values()) <= FATAL


@pytest.mark.case(6)
@pytest.mark.tier("T2")
@pytest.mark.timeout(400)
async def test_four_that_kill_their_workers_at_once_die_and_no_other(
    home: Home, steward: Services, case: Case
) -> None:
    calls = [jobs.note.call() if n % 5 else jobs.hold.call() for n in range(40)]
    quick_and_slow = await steward.client.enqueue_many(calls)
    poisons = [await steward.client.enqueue(jobs.poison, how) for how in jobs.POISONS]

    home.may_end(home.supervisor(4))
    for each in poisons:
        with pytest.raises(RunFailed):
            await each.result(within=seconds(240))
    home.ledger.open_gate()
    for other in quick_and_slow:
        await other.result(within=seconds(60))

    letters = await DeadLetters(steward.client).list()
    starts = {how: len(home.ledger.lines(how)) for how in jobs.POISONS}
    case.says(
        "four such runs at once, among 40 others",
        steward=f"starts {starts}; the others are done",
    )
    assert {letter.id for letter in letters} == {each.id for each in poisons}
    assert all(count <= FATAL for count in starts.values())


async def _workers(home: Home, steward: Services, count: int) -> None:
    """So many that one is left in the end: what is measured is not how soon a process starts."""
    workers = [home.worker() for _ in range(count)]
    home.may_end(*workers)
    for each in workers:
        await each.ready(steward.client)
