"""The small duties of a worker: it shows that its loop turns, passes cancellations on to running
runs and forgets those of runs that are over, gives parked runs back to their queues when this
worker can run them, keeps what plain arq clients have enqueued from expiring, and stops its
attempts when it is cut off from Redis for so long that others may have begun them again."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio

from app.engine.errors import Unavailable
from app.engine.job import Job
from app.engine.redis.store import Store
from app.engine.roles.lease import Lease
from app.engine.roles.running import Stopped
from app.engine.roles.slots import Slots

log = logging.getLogger(__name__)

_ROUND = 0.2  # s: how soon a running run hears that it was cancelled
_EACH_SECOND = 5  # rounds
_SHOWN = 3 * _EACH_SECOND  # it is to be seen for ten seconds
_IDLE_SWEEP = (
    50  # rounds between two sweeps of a worker that runs nothing, and costs next to nothing
)


class Keeper:
    """Goes its rounds until cancelled."""

    def __init__(
        self,
        store: Store,
        slots: Slots,
        lease: Lease,
        jobs: Mapping[str, Job[Any, ..., Any]],
        *,
        worker: str,
        queues: Sequence[str],
        describe: Callable[[], bytes],
        restored: Callable[[], None],
        lifting: Sequence[str] = (),
    ) -> None:
        """`jobs` are the ones this worker can run; `describe` says what it says of itself.

        `restored` is told when parked runs wait to be claimed by this worker. `lifting`: the queues
        whose payloads would expire, if plain arq clients have put them there.
        """
        self._store = store
        self._slots = slots
        self._lease = lease
        self._worker = worker
        self._queues = queues
        self._describe = describe
        self._restored = restored
        self._ranks = dict.fromkeys(lifting, 0)
        self._versions = [(job.name, job.version) for job in jobs.values()]

    async def run(self) -> None:
        """One round every fifth of a second; an absent Redis is waited for."""
        async with anyio.create_task_group() as duties:
            duties.start_soon(self._show_turning)
            duties.start_soon(self._go_rounds)

    async def _show_turning(self) -> None:
        while True:  # apart from the rounds: one that waits for Redis blocks nobody
            self._lease.turn()
            if self._lease.has_lapsed:
                self._stop_attempts()
            await anyio.sleep(_ROUND)

    def _stop_attempts(self) -> None:
        """As when the worker stops; what had ended before is committed once Redis is back."""
        attempts = [each for each in self._slots.running if each.stopped is None]
        if attempts:
            log.error("Redis is out of reach for a whole lease: stopped runs: %d", len(attempts))
        self._slots.cancel_all(Stopped.STOPPING)

    async def _go_rounds(self) -> None:
        rounds = 0
        while True:
            try:
                await self._pass_cancellations_on()
                if rounds % _SHOWN == 0:
                    await self._store.show_alive(self._describe())
                if rounds % _EACH_SECOND == 0:
                    await self._each_second()
                if rounds % (_EACH_SECOND if self._slots.running else _IDLE_SWEEP) == 0:
                    await self._store.sweep()
            except Unavailable as error:
                log.debug("the keeper waits for Redis: %s", error)
            rounds += 1
            await anyio.sleep(_ROUND)

    async def _pass_cancellations_on(self) -> None:
        if self._slots.running:
            for run_id in await self._store.cancelled():
                self._slots.cancel(run_id, Stopped.CANCELLED)

    async def _each_second(self) -> None:
        if self._ranks:
            self._ranks = await self._store.lift(self._ranks)
        if self._slots.free:
            await self._unpark()

    async def _unpark(self) -> None:
        free = self._slots.free
        restored = await self._store.unpark(self._worker, free, self._queues, self._versions)
        if restored:
            self._restored()
            log.info("%d parked runs are back on their queues", restored)
