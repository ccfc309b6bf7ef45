"""An urgent run is not kept waiting by a flood on a queue that can wait."""

from statistics import median
from time import monotonic

from app.context import Services
from tests.life import jobs
from tests.life.home import Home

FLOOD = 20_000
SLOTS, KEPT = 100, 10
TIMES = 30
ROOM = 0.01  # s: what the machine does beside may take so long


async def test_an_ai_run_starts_promptly_while_maintenance_is_flooded(
    home: Home, steward: Services
) -> None:
    await home.worker(STEWARD_WORKER__CONCURRENCY=str(SLOTS)).ready(steward.client)
    alone = [await _waited(home, steward) for _ in range(TIMES)]

    await steward.client.enqueue_many(jobs.rest.call() for _ in range(FLOOD))
    await home.ledger.until("resting", SLOTS - KEPT)
    flooded = [await _waited(home, steward) for _ in range(TIMES)]

    queued = {each.name: each.ready for each in await steward.client.queues()}
    print(
        f"an ai run started after {median(alone) * 1000:.1f} ms alone, after"
        f" {median(flooded) * 1000:.1f} ms with {FLOOD} long maintenance runs, of which"
        f" {queued['maintenance']} wait (medians of {TIMES})"
    )
    assert len(home.ledger.lines("resting")) == SLOTS - KEPT
    assert queued["maintenance"] == FLOOD - (SLOTS - KEPT)
    assert median(flooded) <= max(1.5 * median(alone), ROOM)


async def _waited(home: Home, steward: Services) -> float:
    """From the call of enqueue to the first line of the job, in seconds."""
    before = monotonic()
    handle = await steward.client.enqueue(jobs.ask)
    return (await home.ledger.begin_of(handle.id)).at - before
