"""Where runs come in that were first written down elsewhere, in somebody's database: each once.

Whoever brings them reads them there, brings them here, deletes them there. Killed in between, its
successor reads them again, perhaps long after they have run and nothing is left of them. So each
leaves a mark, in the same step that puts it on its queue, until it is said to be deleted; marks
are given by whoever writes the runs down, none twice. And whoever stood still in between, while a
successor did all three, must not bring what it once read: each handover has a name of its own and
a lease, and the step that brings the runs is refused when another holds that lease, or nobody does.

    handover = Handover(store, lease=seconds(10))
    if await handover.begin():         # then read: what was deleted before is not read any more
        await handover.bring(runs)     # then delete what was brought
        await handover.end(marks)
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import IntEnum
from secrets import token_hex

from app.engine.errors import Overtaken
from app.engine.redis import keys
from app.engine.redis.store import Store
from app.engine.run import NewRun


class Brought(IntEnum):
    """What became of a run that was brought; those with a number below 0 are still nowhere."""

    NEW = 1
    BEFORE = 2
    """It had been brought by this handover or an earlier one."""
    OTHER = 0
    """Another run stands for it, which has its id or its key."""
    NO_QUEUE = -1
    """Something that is no queue has the name of its queue."""
    NO_ROOM = -2
    """Its queue is full."""


class Handover:
    """One round: `begin`, `bring`, `end`. The next one needs another."""

    def __init__(self, store: Store, *, lease: timedelta) -> None:
        """`lease`: how long each step may take; after that another may begin."""
        self._store = store
        self._lease = lease
        self._name = token_hex(8)

    async def begin(self) -> bool:
        """Become the one who hands over; False while another is. Safe to repeat."""
        return await self._store.hold(keys.RELAY, self._name, self._lease)

    async def bring(self, runs: Mapping[str, NewRun]) -> dict[str, Brought]:
        """Put runs, by their marks, on their queues, in this order; safe to repeat.

        Raises `Overtaken`, and nothing was written, when the lease was lost.
        """
        answers = await self._store.relay(self._name, self._lease, runs)
        if answers is None:
            raise Overtaken("it took longer than its lease, and another may have begun")
        return dict(zip(runs, map(Brought, answers), strict=True))

    async def end(self, marks: Iterable[str]) -> None:
        """These runs are written down no more, and the next may begin; safe to repeat."""
        await self._store.relayed(self._name, marks)
