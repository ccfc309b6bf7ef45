"""The worker: claims runs, runs them, commits how they ended, until it is told to stop.

    claimer     takes runs off the queues and gives them to
    dispatcher  which makes them tasks in its slots, where the
    runner      runs the job and names the outcome; that goes to the
    trials      and where a worker may have died of a run, tries it alone
    committer   which writes it down, together with others
    admitter    finds room first for runs whose jobs have limits
    scheduler   starts runs by the clock; any worker may be the one that does
    keeper      hears what the worker should, with the lease that shows it is alive
    undertaker  looks after the dead letters
    recycler    ends it when it has done its part

Stopping: nothing more is claimed, short runs finish within the grace, the others are cancelled and
given back without a charge, the last outcomes are committed. Told twice, it skips the grace.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup
from arq.connections import RedisSettings

from app.engine.attempt import Attempt
from app.engine.doors.client import Client
from app.engine.errors import Unanswered, Unavailable
from app.engine.job import Job
from app.engine.ledger import Ledger
from app.engine.options import USUAL, WorkerOptions
from app.engine.roles.beside import keep_running
from app.engine.roles.crew import Crew
from app.engine.roles.hooks import NO_HOOKS, Hooks, safely
from app.engine.roles.over import Over
from app.engine.roles.recycler import Recycler
from app.engine.roles.running import Stopped
from app.engine.roles.scheduler import Scheduler
from app.engine.schedule import Schedule

C = TypeVar("C")

_GREETINGS = 3  # whose answers may be lost, or be noise
_DRAIN_LOOK = 0.05  # s between two looks whether a burst is over
_LAST_COMMIT = (
    5.0  # s to bring the last outcomes home; what can't be committed runs again elsewhere
)


async def _no_more() -> bool:
    """Say that no role has anything left."""
    return False


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
        ledger: Ledger | None = None,
        heard: Callable[[Over], None] | None = None,
        hooks: Hooks = NO_HOOKS,
        more: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """`queues`: the most urgent first. `roles` run beside the worker's own until it stops.

        `ledger` keeps the effects of runs; without one, Redis does. `heard` is told of every
        committed outcome, and must not wait; `hooks` may. None of them can end the worker. `more`
        says whether a role has still runs to bring to the queues: a burst goes on until then.
        """
        self._options, self._store, self._queues = options, client.store, tuple(queues)
        self._recycler = Recycler(options, stop=self._retire)
        self._crew = Crew(
            client,
            redis,
            jobs=jobs,
            queues=queues,
            make_context=make_context,
            options=options,
            ledger=ledger,
            heard=self._recycler.counting(heard and safely(heard)),
            hooks=hooks,
            retire=self._recycler.retire,
        )
        self._scheduler = Scheduler(timetable, client)
        self._roles, self._more = roles, more or _no_more
        self._told = 0
        self._stop = anyio.Event()
        self._hurry = anyio.Event()

    @property
    def id(self) -> str:
        """Its name: where it runs, and something that no other has."""
        return self._crew.id

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
    def is_stopping(self) -> bool:
        """Whether it claims nothing more."""
        return self._stop.is_set()

    @property
    def is_spent(self) -> bool:
        """Whether it stops, or has stopped, because it had done its part."""
        return self._recycler.is_spent

    async def reach(self) -> None:
        """See that Redis answers; raises `Unavailable`."""
        await self._store.server_time()

    async def run(self) -> None:
        """Work until stopped; in burst mode, until every queue is empty."""
        async with self._alive(), anyio.create_task_group() as roles:
            roles.start_soon(self._crew.committer.run)
            roles.start_soon(self._crew.admitter.run)
            roles.start_soon(self._crew.keeper.run)
            roles.start_soon(self._crew.undertaker.run)
            roles.start_soon(self._recycler.run)
            for role in self._roles:
                roles.start_soon(keep_running, role)
            roles.start_soon(self._crew.teller.run)
            try:
                await self._work()
            finally:
                with anyio.CancelScope(shield=True):
                    await self._wind_down()
            roles.cancel_scope.cancel()

    @asynccontextmanager
    async def _alive(self) -> AsyncGenerator[None]:
        await self._greet()
        self._crew.lease.start()
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._crew.lease.stop)

    async def _greet(self) -> None:
        """Show itself alive; a broken answer is no reason to end, but a Redis out of reach is."""
        for last in (*[False] * (_GREETINGS - 1), True):
            try:
                await self._store.greet(self.id, self._crew.describe(), self._options.lease)
            except Unanswered:
                if last:
                    raise
            else:
                return

    async def _work(self) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self._crew.claimer.run)
            group.start_soon(self._scheduler.run)
            group.start_soon(self._crew.trials.run, self._crew.place)
            if self._options.burst:
                group.start_soon(self._stop_when_empty)
            await self._stop.wait()
            group.cancel_scope.cancel()

    async def _wind_down(self) -> None:
        await self._let_finish()
        self._crew.slots.cancel_all(Stopped.STOPPING)
        await self._crew.slots.idle()
        with anyio.move_on_after(_LAST_COMMIT):
            await self._crew.committer.flush()
            with suppress(Unavailable):  # a place is free with its run's lease, told or not
                await self._crew.admitter.flush()
        await self._crew.slots.close()

    async def _let_finish(self) -> None:
        with anyio.move_on_after(self._options.grace.total_seconds()):
            async with anyio.create_task_group() as group:
                group.start_soon(_cancel_when, self._hurry, group)
                await self._crew.slots.idle()
                group.cancel_scope.cancel()

    async def _stop_when_empty(self) -> None:
        while not await self._is_drained():
            await anyio.sleep(_DRAIN_LOOK)
        self.stop()

    async def _is_drained(self) -> bool:
        if self._crew.slots.running or self._crew.committer.pending:
            return False
        if await self._more():
            return False
        try:
            depths = [await self._store.depth(name) for name in self._queues]
        except Unavailable:
            return False
        is_empty = not any(ready + running + deferred for ready, running, deferred, *_ in depths)
        return is_empty and not await self._more()  # what ended meanwhile may have left some


async def _cancel_when(event: anyio.Event, group: TaskGroup) -> None:
    await event.wait()
    group.cancel_scope.cancel()
