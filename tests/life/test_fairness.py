"""Urgent runs without end leave something to every queue, and a limited queue takes no more."""

from itertools import accumulate

from app.context import Services
from app.queues import AI, MAINTENANCE, NAMES
from tests.life import jobs
from tests.life.home import Home

FLOOD, OTHERS = 2_000, 300
LOWER = NAMES[1:]
EARLY = FLOOD // 2
ALL = {AI: FLOOD} | dict.fromkeys(LOWER, OTHERS)


async def test_while_ai_is_flooded_every_queue_is_served_and_the_turn_says_how_much(
    home: Home, steward: Services
) -> None:
    usual = await _early(home, steward)
    home.ledger.path.unlink()
    often = await _early(home, steward, STEWARD_WORKER__TURN="2")

    print(f"beside {EARLY} ai runs, {usual} were done; with a turn of 2, {often}")
    assert min(usual.values()) >= EARLY // 200
    assert sum(often.values()) > 2 * sum(usual.values())


async def test_a_queue_with_a_limit_never_has_more_runs_at_work(
    home: Home, steward: Services
) -> None:
    worker = home.worker(
        STEWARD_WORKER__CONCURRENCY="20", STEWARD_WORKER__LIMITS='{"maintenance": 3, "sms": 1}'
    )
    queues = (AI, "sms", MAINTENANCE)
    await steward.client.enqueue_many(jobs.TOIL[each].call() for each in queues * 150)
    await worker.ready(steward.client)
    for each in queues:
        await home.ledger.until(f"{each} ended", 150)

    most = {each: _most_at_once(home, each) for each in queues}
    print(f"limits of 3 and 1 of 20 slots: at once were at work {most}")
    assert most[MAINTENANCE] == 3
    assert most["sms"] == 1
    assert most[AI] > 3


async def _early(home: Home, steward: Services, **variables: str) -> dict[str, int]:
    """How many runs of each other queue were over when half of the urgent ones were."""
    for queue, count in ALL.items():
        await steward.client.enqueue_many(jobs.TOIL[queue].call() for _ in range(count))
    worker = home.worker(STEWARD_WORKER__CONCURRENCY="10", **variables)
    ended = {queue: await home.ledger.until(f"{queue} ended", ALL[queue]) for queue in ALL}
    worker.end()
    half = ended[AI][EARLY].at
    return {queue: sum(line.at < half for line in ended[queue]) for queue in LOWER}


def _most_at_once(home: Home, queue: str) -> int:
    ins = [(line.at, 1) for line in home.ledger.lines(f"{queue} begun")]
    outs = [(line.at, -1) for line in home.ledger.lines(f"{queue} ended")]
    return max(accumulate(change for _, change in sorted(ins + outs)))
