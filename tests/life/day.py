"""A home where the clock is pushed: three workers, one timetable, and every run that ended."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import anyio

from app.connection import make_codec, open_redis
from app.context import Context, Services, context_of, open_services
from app.engine import (
    Client,
    Ending,
    Events,
    ManualClock,
    Over,
    Schedule,
    Worker,
    WorkerOptions,
    ending_of,
    seconds,
)
from app.engine.roles.scheduler import Scheduler
from app.jobs import JOBS
from app.observability.recorder import Recorder
from app.queues import NAMES
from app.relay import Relay
from app.settings import Settings
from app.storage.runs import Runs

_PATIENCE = 60.0  # s for the runs of one minute
_NOT_OVER = (Ending.RETRYING, Ending.SNOOZED, Ending.PARKED, Ending.RELEASED)


@dataclass(kw_only=True)
class Day:
    """What happens on it; `heard` has every run that ended, by its id."""

    services: Services
    clock: ManualClock
    timetable: Sequence[Schedule]
    heard: Counter[str] = field(default_factory=Counter[str])
    endings: dict[str, Ending] = field(default_factory=dict[str, Ending])
    by: dict[str, str] = field(default_factory=dict[str, str])
    """Which worker a run ended at."""
    _said: anyio.Event = field(default_factory=anyio.Event)

    async def play(self, until: datetime, *, step: timedelta) -> set[str]:
        """Go on step by step, each when the runs of the last are over; returns what had to run.

        Of the ticks that a schedule has in one step, the latest is to run, as after an absence.
        """
        ticks = set[str]()
        fast = Scheduler(self.timetable, self.services.client)  # looks when it is told to
        await fast.fire_due()
        here = self.clock.now()
        while here < until:
            there = here + step
            self.clock.advance(there - self.clock.now())
            due = {_id(each, at) for each in self.timetable for at in _last(each, here, there)}
            await fast.fire_due()
            await self._over(due)
            ticks |= due
            here = there
        return ticks

    async def _over(self, runs: set[str]) -> None:
        with anyio.fail_after(_PATIENCE):
            while runs - self.endings.keys():
                await self._said.wait()
                self._said = anyio.Event()

    def hear(self, worker: str, over: Over) -> None:
        """An attempt has ended at a worker."""
        ending = ending_of(over.outcome)
        if ending not in _NOT_OVER:
            self.heard[over.run.id] += 1
            self.endings[over.run.id] = ending
            self.by[over.run.id] = worker
            self._said.set()


def _last(each: Schedule, after: datetime, until: datetime) -> list[datetime]:
    """The latest tick in between; none if there is none."""
    ticks, tick = list[datetime](), each.cron.next_after(after)
    while tick <= until:
        ticks = [tick]
        tick = each.cron.next_after(tick)
    return ticks


def _id(each: Schedule, at: datetime) -> str:
    return f"{each.name}@{at:%Y%m%dT%H%M%SZ}"


@asynccontextmanager
async def a_day(
    settings: Settings, begins: datetime, timetable: Sequence[Schedule]
) -> AsyncGenerator[Day]:
    """Three workers at work at this moment, which the clock says it is."""
    clock = ManualClock()
    clock.advance(begins - clock.now())
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(open_redis(settings))
        opening = Client.open(redis, make_codec(settings), jobs=JOBS, queues=NAMES, clock=clock)
        client = await stack.enter_async_context(opening)
        services = await stack.enter_async_context(open_services(settings, client))
        day = Day(services=services, clock=clock, timetable=timetable)
        group = await stack.enter_async_context(anyio.create_task_group())
        workers = list[Worker[Context]]()
        for name in ("one", "two", "three"):
            worker = Worker(
                client,
                redis,
                jobs=JOBS,
                queues=NAMES,
                make_context=partial(context_of, services),
                timetable=timetable,
                roles=[
                    Relay(services.outbox, client, queues=NAMES).run,
                    Recorder(Events(client.store), Runs(services.database)).run,
                ],
                options=WorkerOptions(poll=seconds(0.05), grace=seconds(5), concurrency=2),
                ledger=services.effects,
                heard=partial(day.hear, name),
            )
            workers.append(worker)
            group.start_soon(worker.run)
        yield day
        for worker in workers:
            worker.stop()
