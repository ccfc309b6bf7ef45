"""Bringing runs to Redis, however often the connection breaks on the way.

What got no answer is sent again as it is until `patience` runs out: Redis knows the ids and stores
each run once. Many runs go in chunks, a few of them under way at a time, and the next chunk is made
while those before it travel.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from time import monotonic

import anyio

from app.engine.clock import jittered
from app.engine.errors import PartlyStored, QueueFull, Unavailable
from app.engine.redis.line import ANSWER
from app.engine.redis.store import Store
from app.engine.run import NewRun, Receipt

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # s between two tries to reach Redis
_UNDER_WAY = 3  # chunks: Redis has always one to work on, and nobody else waits for long


class Sender:
    """Sends for one client."""

    def __init__(self, store: Store, *, patience: timedelta) -> None:
        """`patience`: how long one chunk may be tried."""
        self._store = store
        self._patience = patience.total_seconds()

    async def send(self, runs: Sequence[NewRun]) -> list[Receipt]:
        """The receipts, in order; raises `Unavailable` when Redis did not confirm in time."""
        give_up, pause = monotonic() + self._patience, _FIRST_PAUSE
        failed: Unavailable | None = None
        while True:
            try:
                if not failed and self._patience >= ANSWER and self._store.is_at_hand:
                    return await self._store.enqueue(runs)  # the line gives up in time by itself
                return await self._send_by(give_up, runs, failed)
            except Unavailable as error:
                failed = error
                if monotonic() + pause > give_up:
                    raise
            await anyio.sleep(jittered(pause))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def postpone(self, run: NewRun) -> bool:
        """Move a debounced run; False when it waits no more. Raises `Unavailable`."""
        give_up, pause = monotonic() + self._patience, _FIRST_PAUSE
        while True:
            try:
                return await self._store.postpone(run)
            except Unavailable:
                if monotonic() + pause > give_up:
                    raise
            await anyio.sleep(jittered(pause))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _send_by(
        self, give_up: float, runs: Sequence[NewRun], failed: Unavailable | None
    ) -> list[Receipt]:
        try:
            with anyio.fail_after(give_up - monotonic()):
                return await self._store.enqueue(runs, again=failed is not None)
        except TimeoutError:
            silent = Unavailable(f"Redis did not confirm in {self._patience} s")
            raise failed or silent from None  # what it said before tells more

    async def send_all(self, chunks: Iterable[Sequence[NewRun]]) -> list[Receipt]:
        """The same for many chunks, each made when there is room for it.

        Raises `PartlyStored` when Redis went away, and `QueueFull` when some found no room.
        """
        sent = _Sent()
        async with anyio.create_task_group() as group:
            for place, runs in enumerate(chunks):
                await sent.room.acquire()
                group.start_soon(self._carry, sent, place, runs)
        if sent.missing:
            raise PartlyStored(
                stored=sent.stored_ids(), missing=sent.missing_ids()
            ) from sent.failure
        if sent.full:
            said = str(sent.full[min(sent.full)])
            raise QueueFull(said, refused=sent.missing_ids(), stored=sent.stored_ids())
        return sent.receipts()

    async def _carry(self, sent: "_Sent", place: int, runs: Sequence[NewRun]) -> None:
        try:
            if sent.failure:  # the others' patience was enough for all
                sent.missing[place] = runs
            else:
                sent.stored[place] = await self.send(runs)
        except QueueFull as error:
            sent.full[place] = error
        except Unavailable as error:
            sent.failure = error
            sent.missing[place] = runs
        finally:
            sent.room.release()


class _Sent:
    """What became of the chunks so far."""

    def __init__(self) -> None:
        self.room = anyio.Semaphore(_UNDER_WAY)
        self.stored: dict[int, Sequence[Receipt]] = {}
        self.missing: dict[int, Sequence[NewRun]] = {}
        self.full: dict[int, QueueFull] = {}
        self.failure: Unavailable | None = None

    def receipts(self) -> list[Receipt]:
        """Of the chunks that arrived whole, in their order."""
        return [each for place in sorted(self.stored) for each in self.stored[place]]

    def stored_ids(self) -> list[str]:
        """Of all runs that stand for a call, in the calls' order."""
        stored = {place: [each.id for each in some] for place, some in self.stored.items()}
        stored |= {place: [*error.stored] for place, error in self.full.items()}
        return [id for place in sorted(stored) for id in stored[place]]

    def missing_ids(self) -> list[str]:
        """Of all others, in theirs."""
        missing = {place: [each.id for each in some] for place, some in self.missing.items()}
        missing |= {place: [*error.refused] for place, error in self.full.items()}
        return [id for place in sorted(missing) for id in missing[place]]
