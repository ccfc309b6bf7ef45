"""Has the oracle judge a story of a home when it ends, while runs may still wait or be at work.

The runs are those in the stream of events, on the queues, among the dead letters and in the ledger:
nobody has to tell. What is wrong only for a moment, as a step has come in between, is not wrong.
A dead letter that is gone was retried or dropped, a result that is gone was kept long enough.

What the story's workers leave is looked at once they are gone: whoever left in order leaves
nothing, and who was killed only what will expire.
"""

from collections.abc import Collection, Iterable
from contextlib import suppress

import anyio
from arq.connections import RedisSettings
from redis.exceptions import ConnectionError, TimeoutError

from app.engine import Doctor, Trouble, Unavailable, seconds
from app.engine.redis import keys
from app.engine.redis.connection import make_blocking_redis
from tests.engine.leaks import leaks
from tests.life.breach import Breach
from tests.life.journal import process_of
from tests.life.processes import WorkerProcess
from tests.life.traces import standing
from tests.life.witness import Witness

_AGAIN = seconds(0.2)  # what is on its way for longer stays
_NOBODY_THERE = (Trouble.QUEUE, Trouble.PARKED, Trouble.DOUBT, Trouble.SCHEDULE)
_EXPIRES = 1.0  # s that a sign of life may be there for longer than its lease


async def breaches_of(witness: Witness) -> list[Breach]:
    """All that is wrong; of what is in a Redis that is away nothing is known."""
    with suppress(Unavailable):
        wrong = await _wrong(witness)
        if wrong:
            await anyio.sleep(_AGAIN.total_seconds())
            again = {each.what for each in await _wrong(witness)}
            wrong = [each for each in wrong if each.what in again]
        return wrong
    return []


async def _wrong(witness: Witness) -> list[Breach]:
    await witness.find_queues()
    await witness.follow()
    witness.accept(*await standing(witness.client, queues=witness.queues))
    doctor = Doctor(witness.client, jobs={}, pause=_AGAIN)
    sick = [each for each in await doctor.examine() if each.trouble not in _NOBODY_THERE]
    witness.leaked = [f"{each.trouble}: {each.subject}" for each in sick]
    return [*(await witness.oracle(is_whole=False)).breaches]


def left_behind(
    redis: RedisSettings, processes: Iterable[WorkerProcess], *, lease: float
) -> list[Breach]:
    """What is left of these, which have ended, in a Redis that is there."""
    gone = {each.pid for each in processes if each.has_nothing_left(after=lease + _EXPIRES)}
    with suppress(ConnectionError, TimeoutError), make_blocking_redis(redis) as connection:
        return [Breach("I8", said) for said in leaks(connection) if not _expires(said, gone)]
    return []


def _expires(said: str, gone: Collection[int]) -> bool:
    """Whether it is a sign of life of somebody who died of late, or isn't known."""
    key = said.partition(": ")[0]
    return key.startswith(keys.WORKER) and process_of(key) not in gone
