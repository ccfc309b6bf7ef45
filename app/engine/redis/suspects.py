"""Runs that workers may have died of: the steps of their trials, as typed calls."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from app.engine.clock import span_ms
from app.engine.redis import keys
from app.engine.redis.steps import Steps
from app.engine.redis.store import Store
from app.engine.run import Claimed


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is to be tried alone now, leased to whoever took it."""

    run: Claimed
    lived: timedelta
    """How long it had been at work when its last worker was found dead; zero if unknown."""


class Suspects:
    """All there are; each call raises `Unavailable` when Redis does not answer."""

    def __init__(self, store: Store) -> None:
        """Reads and writes over the store's line."""
        self._clock, self._store = store.clock, store
        self._steps = Steps(store.redis.line)

    async def take(self, worker: str, queues: Sequence[str], *, lease: timedelta) -> Suspect | None:
        """The likeliest on these queues, leased to `worker`; None when there is none."""
        if not await self._store.has(keys.SUSPECTS):
            return None
        found = await self._steps.run("try", worker, span_ms(lease), *queues)
        if not found:
            return None
        id, queue, payload, attempt, cancelled, crashes, uncharged, lived = found
        run = Claimed(
            id=id.decode(errors="replace"),
            queue=queue.decode(errors="replace"),
            payload=payload,
            worker=worker,
            attempt=attempt,
            is_counted=True,
            cancelled=bool(cancelled),
            crashes=crashes,
            uncharged=uncharged,
        )
        return Suspect(run=run, lived=timedelta(milliseconds=lived))

    async def begin(self, run: Claimed) -> None:
        """It begins now: should its worker die, it may be of this run."""
        await self._steps.run("begin", self._clock.offset_ms, run.id, run.lease)

    async def acquit(self, run: Claimed, *, is_innocent: bool) -> None:
        """Its trial is over: its workers died of something else, or nobody can tell yet."""
        await self._steps.run("acquit", run.id, run.lease, int(is_innocent))

    async def doubt(self, run: Claimed) -> None:
        """Give it back, to be tried alone."""
        await self._steps.run("doubt", self._clock.offset_ms, run.id, run.lease, run.attempt)
