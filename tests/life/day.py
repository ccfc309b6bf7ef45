"""A home where the clock is pushed: three workers, one timetable, and every run that ended."""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import anyio
from arq.connections import RedisSettings

from app.connection import make_codec, open_redis
from app.context import Context, Services, context_of, open_services
from app.engine import (
    Client,
    Ending,
    Events,
    Job,
    ManualClock,
    Over,
    Schedule,
    Worker,
    WorkerOptions,
    ending_of,
    hours,
    minutes,
    seconds,
)
from app.engine.outcome import Outcome, Succeeded
from app.engine.roles.scheduler import Scheduler
from app.jobs import JOBS
from app.observability.recorder import Recorder
from app.queues import NAMES
from app.relay import Relay
from app.settings import Settings
from app.storage.runs import Runs

_PATIENCE = 150.0  # s for the runs of one step: a busy machine stands still for a minute
_SLOTS = 2  # fewer than there is to do at full hours, so that each worker has some of it
_LONGER = hours(1)  # for what is tried again at the end of the day
_BEFORE = minutes(5)  # for what is left to be done on the day
_NOT_OVER = (Ending.RETRYING, Ending.SNOOZED, Ending.PARKED, Ending.RELEASED)


@dataclass(kw_only=True)
class Day:
    """What happens on it; `heard` has every run that ended, by its id."""

    services: Services
    redis: RedisSettings
    clock: ManualClock
    timetable: Sequence[Schedule]
    begins: datetime
    heard: Counter[str] = field(default_factory=Counter[str])
    endings: dict[str, Ending] = field(default_factory=dict[str, Ending])
    outcomes: dict[str, Outcome] = field(default_factory=dict[str, Outcome])
    """What became of a run's latest attempt."""
    by: dict[str, str] = field(default_factory=dict[str, str])
    """Which worker a run ended at."""
    _said: anyio.Event = field(default_factory=anyio.Event)

    async def play(self, until: datetime, *, step: timedelta) -> set[str]:
        """Let three workers work, step by step, each when the runs of the last are over.

        Of the ticks that a schedule has in one step, the latest is to run, as after an absence. A
        run that is to be tried again holds up no step, and the day goes on until it is over.
        Returns what had to run.
        """
        ticks, late, here = set[str](), set[str](), self.begins
        self.clock.advance(here - self.clock.now())
        fast = Scheduler(self.timetable, self.services.client)  # looks when it is told to
        await fast.fire_due()
        async with self._workers():
            while here < until or (ticks - self.endings.keys() and here < until + _LONGER):
                there = now = self.clock.now()
                if not self._due(here, now):  # else the machine is slow, and the clock has gone on
                    there = here + step
                    self.clock.advance(max(there - now, seconds(0)))
                due, here = self._due(here, there), there
                await fast.fire_due()
                await self._at_rest(due)
                ticks |= due
                late |= self._due(there, self.clock.now(), each=True)
        return ticks | (late & self.heard.keys())

    @asynccontextmanager
    async def _workers(self) -> AsyncGenerator[None]:
        async with anyio.create_task_group() as group:
            workers = [self.worker(name) for name in ("one", "two", "three")]
            for each in workers:
                group.start_soon(each.run)
            yield
            for each in workers:
                each.stop()

    def worker(
        self, name: str, *, jobs: Mapping[str, Job[Any, ..., Any]] = JOBS, **options: Any
    ) -> Worker[Context]:
        """One of them, whom the day hears."""
        client, services = self.services.client, self.services
        chosen: dict[str, Any] = {
            "poll": seconds(0.05),
            "grace": seconds(5),
            "concurrency": _SLOTS,
            **options,
        }
        return Worker(
            client,
            self.redis,
            jobs=jobs,
            queues=NAMES,
            make_context=partial(context_of, services),
            timetable=self.timetable,
            roles=[
                Relay(services.outbox, client, queues=NAMES).run,
                Recorder(Events(client.store), Runs(services.database)).run,
            ],
            options=WorkerOptions(**chosen),
            ledger=services.effects,
            heard=partial(self.hear, name),
        )

    def _due(self, after: datetime, until: datetime, *, each: bool = False) -> set[str]:
        """The runs of the schedules' latest ticks in between; with `each` those of all ticks."""
        found = ((one, _ticks(one, after, until)) for one in self.timetable)
        return {_id(one, at) for one, ticks in found for at in (ticks if each else ticks[-1:])}

    async def _at_rest(self, runs: set[str]) -> None:
        """Wait until each is over, or is to be tried again."""
        with anyio.move_on_after(_PATIENCE):
            while runs - self.outcomes.keys():
                await self._said.wait()
                self._said = anyio.Event()
        silent = runs - self.outcomes.keys()
        assert silent == set(), f"nothing is heard of these at {self.clock.now()}"

    def last_result(self, schedule: str) -> object:
        """What the schedule's latest run returned; None when there was none."""
        last = max((run for run in self.endings if run.startswith(f"{schedule}@")), default="")
        outcome = self.outcomes.get(last)
        return outcome.result if isinstance(outcome, Succeeded) else None

    def hear(self, worker: str, over: Over) -> None:
        """An attempt has ended at a worker."""
        ending = ending_of(over.outcome)
        self.outcomes[over.run.id] = over.outcome
        self._said.set()
        if ending not in _NOT_OVER:
            self.heard[over.run.id] += 1
            self.endings[over.run.id] = ending
            self.by[over.run.id] = worker


def _ticks(schedule: Schedule, after: datetime, until: datetime) -> list[datetime]:
    """All in between."""
    ticks, tick = list[datetime](), schedule.cron.next_after(after)
    while tick <= until:
        ticks.append(tick)
        tick = schedule.cron.next_after(tick)
    return ticks


def _id(each: Schedule, at: datetime) -> str:
    return f"{each.name}@{at:%Y%m%dT%H%M%SZ}"


@asynccontextmanager
async def a_day(
    settings: Settings, begins: datetime, timetable: Sequence[Schedule]
) -> AsyncGenerator[Day]:
    """A home a little before this moment, and nobody at work there yet."""
    clock = ManualClock()
    clock.advance(begins - _BEFORE - clock.now())
    async with (
        open_redis(settings) as redis,
        Client.open(redis, make_codec(settings), jobs=JOBS, queues=NAMES, clock=clock) as client,
        open_services(settings, client) as services,
    ):
        yield Day(services=services, redis=redis, clock=clock, timetable=timetable, begins=begins)
