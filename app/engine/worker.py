"""The worker: claims runs, runs them, commits how they ended, until it is told to stop.

    claimer     takes runs off the queues and gives them to
    dispatcher  which makes them tasks in its slots, where the
    runner      runs the job and names the outcome; that goes to the
    committer   which writes it down, together with others
    scheduler   starts runs by the clock; any worker may be the one that does
    keeper      hears what the worker should, with the lease that shows it is alive
    recycler    ends it when it has done its part

Stopping: nothing more is claimed, short runs finish within the grace, the others are cancelled and
given back without a charge, the last outcomes are committed. Told twice, it skips the grace.
"""

import logging
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from secrets import token_hex
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup
from arq.connections import RedisSettings

from app.engine import keys
from app.engine.attempt import Attempt
from app.engine.claimer import Claimer
from app.engine.client import Client
from app.engine.clock import minutes, to_ms
from app.engine.committer import Committer
from app.engine.connection import make_blocking_redis
from app.engine.dispatcher import Dispatcher
from app.engine.errors import Unavailable
from app.engine.job import Job
from app.engine.keeper import Keeper
from app.engine.lease import Lease
from app.engine.options import USUAL, WorkerOptions
from app.engine.over import Over
from app.engine.overview import WorkerSeen
from app.engine.recycler import Recycler
from app.engine.runner import Runner
from app.engine.schedule import Schedule
from app.engine.scheduler import Scheduler
from app.engine.slots import Stopped
from app.engine.urgency import Urgency
from app.engine.watcher import Watcher

C = TypeVar("C")
log = logging.getLogger(__name__)

_LEASE_MARGIN = timedelta(seconds=10)  # a lease outlives its run's timeout by this, as arq's does
_DRAIN_LOOK = 0.05  # s between two looks whether a burst is over
_LAST_COMMIT = (
    5.0  # s to bring the last outcomes home; what can't be committed runs again elsewhere
)


def _nobody(_over: Over) -> None:
    """Hear of an outcome, and do nothing."""


class Worker(Generic[C]):
    """One process's worker; `run` is its whole life."""

    def __init__(
        self,
        client: Client,
        redis: RedisSettings,
        *,
        jobs: Mapping[str, Job[Any, ..., Any]],
        queues: Sequence[str],
        make_context: Callable[[Attempt], C],
        timetable: Sequence[Schedule] = (),
        roles: Sequence[Callable[[], Awaitable[None]]] = (),
        options: WorkerOptions = USUAL,
        heard: Callable[[Over], None] | None = None,
    ) -> None:
        """`queues`: the most urgent first. `roles` run beside the worker's own until it stops.

        `heard` is told of every committed outcome.
        """
        self.id = f"{socket.gethostname().replace(':', '-')[:40]}-{os.getpid()}-{token_hex(4)}"
        self._client, self._store, self._options = client, client.store, options
        self._jobs, self._queues, self._clock = jobs, tuple(queues), client.store.clock
        self._roles = roles
        self._started_at = self._clock.now()
        self._recycler = Recycler(options, stop=self._retire)
        self._committer = self._make_committer(self._recycler.counting(heard or _nobody))
        self._dispatcher = self._make_dispatcher(make_context)
        self._slots = self._dispatcher.slots
        self._scheduler = Scheduler(timetable, client)
        self._watcher = Watcher(self._slots, max_block=options.max_block)
        self._lease = self._make_lease(redis)
        self._claimer = self._make_claimer()
        self._keeper = self._make_keeper()
        self._told = 0
        self._stop = anyio.Event()
        self._hurry = anyio.Event()

    def _make_committer(self, heard: Callable[[Over], None]) -> Committer:
        return Committer(
            self._store,
            self._client.codec,
            clock=self._clock,
            worker=self.id,
            keep_result=self._options.keep_result,
            heard=heard,
        )

    def _make_dispatcher(self, make_context: Callable[[Attempt], C]) -> Dispatcher[C]:
        runner = Runner(
            self._jobs,
            self._client.codec,
            make_context,
            clock=self._clock,
            worker=self.id,
            accept_plain=self._options.accept_plain,
        )
        return Dispatcher(
            runner,
            self._committer,
            jobs=self._jobs,
            clock=self._clock,
            concurrency=self._options.concurrency,
            abandon_after=self._options.abandon_after,
        )

    def _make_lease(self, redis: RedisSettings) -> Lease:
        return Lease(
            partial(make_blocking_redis, redis),
            worker=self.id,
            length=self._options.lease,
            watcher=self._watcher,
            describe=self._describe,
        )

    def _make_keeper(self) -> Keeper:
        return Keeper(
            self._store,
            self._slots,
            self._lease,
            self._jobs,
            worker=self.id,
            queues=self._queues,
            describe=self._describe,
            restored=self._claimer.look_for_ours,
            lifting=self._queues_of_plain_clients(),
        )

    def _queues_of_plain_clients(self) -> list[str]:
        """Where plain clients may put runs of ours; an arq project's own expire as it says."""
        is_plain = self._options.accept_plain
        return [name for name in self._queues if is_plain and not name.startswith(keys.THEIRS)]

    def _make_claimer(self) -> Claimer:
        return Claimer(
            self._store,
            self._slots,
            worker=self.id,
            urgency=self._make_urgency(),
            most=max(1, self._options.concurrency // 2),
            poll=self._options.poll,
            patience=self._options.lease,
            start=self._dispatcher.start,
            mine=self._dispatcher.held,
        )

    def _make_urgency(self) -> Urgency:
        return Urgency(
            [(name, self._lease_on(name)) for name in self._queues],
            slots=self._options.concurrency,
            turn=self._options.turn,
            limits=self._options.limits,
        )

    def stop(self) -> None:
        """Begin to stop; told again, stop at once. Safe in a signal handler of the event loop."""
        self._stop.set()
        if self._told:
            self._hurry.set()
        self._told += 1

    def _retire(self) -> None:
        """Begin to stop; a signal that comes now is still the first."""
        self._stop.set()

    @property
    def is_spent(self) -> bool:
        """Whether it stops, or has stopped, because it had done its part."""
        return self._recycler.is_spent

    async def run(self) -> None:
        """Work until stopped; in burst mode, until every queue is empty."""
        async with self._alive(), anyio.create_task_group() as roles:
            roles.start_soon(self._committer.run)
            roles.start_soon(self._keeper.run)
            roles.start_soon(self._recycler.run)
            for role in self._roles:
                roles.start_soon(_awaited, role)
            try:
                await self._work()
            finally:
                with anyio.CancelScope(shield=True):
                    await self._wind_down()
            roles.cancel_scope.cancel()

    @asynccontextmanager
    async def _alive(self) -> AsyncGenerator[None]:
        await self._store.greet(self.id, self._describe(), self._options.lease)
        self._lease.start()
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._lease.stop)

    async def _work(self) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self._claimer.run)
            group.start_soon(self._scheduler.run)
            if self._options.burst:
                group.start_soon(self._stop_when_empty)
            await self._stop.wait()
            group.cancel_scope.cancel()

    async def _wind_down(self) -> None:
        await self._let_finish()
        for running in self._slots.running:
            self._slots.cancel(running.run.id, Stopped.STOPPING)
        await self._slots.idle()
        with anyio.move_on_after(_LAST_COMMIT):
            await self._committer.flush()
        await self._slots.close()

    async def _let_finish(self) -> None:
        with anyio.move_on_after(self._options.grace.total_seconds()):
            async with anyio.create_task_group() as group:
                group.start_soon(_cancel_when, self._hurry, group)
                await self._slots.idle()
                group.cancel_scope.cancel()

    async def _stop_when_empty(self) -> None:
        while not await self._is_drained():
            await anyio.sleep(_DRAIN_LOOK)
        self.stop()

    async def _is_drained(self) -> bool:
        if self._slots.running or self._committer.pending:
            return False
        try:
            depths = [await self._store.depth(name) for name in self._queues]
        except Unavailable:
            return False
        return not any(ready + running + deferred for ready, running, deferred, *_ in depths)

    def _lease_on(self, queue: str) -> timedelta:
        """As long as the slowest job of the queue may take and clean up, with the loop blocked."""
        timeouts = (job.timeout for job in self._jobs.values() if job.queue == queue)
        options = self._options
        late = options.abandon_after + options.max_block + _LEASE_MARGIN
        return max(timeouts, default=minutes(5)) + late

    def _describe(self) -> bytes:
        seen = WorkerSeen(
            id=self.id,
            host=socket.gethostname(),
            pid=os.getpid(),
            queues=self._queues,
            slots=self._options.concurrency,
            running=self._options.concurrency - self._slots.free,
            started_ms=to_ms(self._started_at),
            blocked_ms=round(self._watcher.blocked.total_seconds() * 1000),
        )
        return seen.pack()


async def _awaited(role: Callable[[], Awaitable[None]]) -> None:
    await role()


async def _cancel_when(event: anyio.Event, group: TaskGroup) -> None:
    await event.wait()
    group.cancel_scope.cancel()
