"""An urgent run is not kept waiting by a flood on a queue that can wait."""

from statistics import median
from time import monotonic

from app.context import Services
from app.engine import seconds
from tests.life import jobs
from tests.life.home import Home

FLOOD = 2_000
TIMES = 5
SLOWER = 30  # times: a machine that does other things at once, and still far from the flood's end


async def test_an_ai_run_starts_promptly_while_maintenance_is_flooded(
    home: Home, steward: Services
) -> None:
    await home.worker().ready(steward.client)
    alone = [await _asked(steward) for _ in range(TIMES)]

    flood = await steward.client.enqueue_many(jobs.note.call() for _ in range(FLOOD))
    flooded = [await _asked(steward) for _ in range(TIMES)]
    queued = [each.ready for each in await steward.client.queues() if each.name == "maintenance"]
    await flood[-1].result(within=seconds(50))

    print(
        f"row 5: an ai run took {median(alone):.3f} s alone,"
        f" {median(flooded):.3f} s with {FLOOD} maintenance runs queued ({queued[0]} left after)"
    )
    assert queued[0] > 0
    assert median(flooded) < SLOWER * median(alone)


async def _asked(steward: Services) -> float:
    before = monotonic()
    handle = await steward.client.enqueue(jobs.ask)
    await handle.result()
    return monotonic() - before
