"""The health check: asks every part of Steward for something real, all at the same time.

stores      database and Redis: written to, and read
work        queues, workers, outbox: who does it, and how long the oldest run waits
machine     disk, memory and processors
providers   those outside: mail servers, calendars, models ...

A part that does not answer in time counts as unhealthy, a provider as degraded; the check itself
always ends. What an error says is not repeated: it may name an address or a password.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic

import anyio
import msgspec
from sqlalchemy.exc import SQLAlchemyError

from app.engine import Client, Strays
from app.observability import machine, stores, work
from app.observability.providers import Providers
from app.services.health_report import (
    USUAL,
    HealthReport,
    Level,
    Part,
    ReportStatus,
    Thresholds,
)
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.health import HealthChecks

logger = logging.getLogger(__name__)

Probe = Callable[[], Awaitable[Part]]


class Health:
    """Asks everybody how they are."""

    def __init__(
        self,
        database: Database,
        client: Client,
        home: Path,
        *,
        limits: Thresholds = USUAL,
        accepted: Collection[str] = (),
        providers: Providers | None = None,
        now: Now = utc_now,
    ) -> None:
        """`home` is the folder whose disk counts; `accepted` what Redis may lack."""
        self.providers = providers or Providers()
        self._database = database
        self._client = client
        self._strays = Strays(client)
        self._home = home
        self._limits = limits
        self._accepted = accepted
        self._now = now
        self._checks = HealthChecks(database, now=now)

    async def check(self) -> HealthReport:
        """Ask everybody at once, remember what they said, and never raise for it.

        Takes as long as the slowest, and not much longer than one may take to answer.
        """
        started = monotonic()
        check = await self._gather()
        overall = Level.worst(part.level for part in check.parts)
        report = HealthReport(
            status=ReportStatus.SUCCESS if overall is Level.HEALTHY else ReportStatus.WARNING,
            overall=overall,
            checked_at=check.at,
            took=timedelta(seconds=monotonic() - started),
            parts=check.parts,
        )
        if check.id is not None:
            await self._remember(check.id, report)
        return report

    async def _gather(self) -> "_Check":
        check = _Check(at=self._now())
        probes = self._probes(check)
        async with anyio.create_task_group() as group:
            group.start_soon(self._ask_providers, check)
            for name, probe in probes.items():
                group.start_soon(self._ask, check, name, probe)
        check.parts = (*(check.answers[name] for name in probes), *check.providers)
        return check

    def _probes(self, check: "_Check") -> dict[str, Probe]:
        database, client, limits, now = self._database, self._client, self._limits, self._now
        begin = partial(self._begin, check)
        return {
            "database": partial(stores.database, database, begin, limits),
            "redis": partial(stores.redis, client, limits, accepted=self._accepted),
            "queues": partial(work.queues, client, self._strays, limits),
            "workers": partial(work.workers, client),
            "outbox": partial(work.outbox, database, client, limits, now),
            "dead letters": partial(work.dead_letters, client, limits),
            "effects": partial(work.effects, database),
            "disk": partial(machine.disk, self._home, limits),
            "memory": partial(machine.memory, limits),
            "cpu": partial(machine.cpu, limits),
        }

    async def _ask(self, check: "_Check", name: str, probe: Probe) -> None:
        seconds = self._limits.no_answer.total_seconds()
        try:
            with anyio.fail_after(seconds):
                check.answers[name] = await probe()
        except TimeoutError:
            check.answers[name] = _silent(name, f"no answer within {seconds:g} s")
        except Exception as error:  # whatever is broken there, the others are still asked
            logger.debug("%s can't be asked", name, exc_info=error)
            check.answers[name] = _silent(name, f"it can't be asked ({type(error).__name__})")

    async def _ask_providers(self, check: "_Check") -> None:
        check.providers = await self.providers.parts()

    async def _begin(self, check: "_Check") -> None:
        check.id = await self._checks.begin(check.at)

    async def _remember(self, check_id: int, report: HealthReport) -> None:
        try:
            with anyio.fail_after(self._limits.no_answer.total_seconds()):
                plain = msgspec.to_builtins(report)
                await self._checks.finish(check_id, report.overall, plain)
        except (SQLAlchemyError, TimeoutError) as error:
            logger.warning("Health: the report can't be stored: %s", type(error).__name__)


@dataclass(slots=True)
class _Check:
    """A check under way: who has answered, and its row in the database once that is written."""

    at: datetime
    answers: dict[str, Part] = field(default_factory=dict[str, Part])
    providers: tuple[Part, ...] = ()
    parts: tuple[Part, ...] = ()
    id: int | None = None


def _silent(name: str, line: str) -> Part:
    return Part(name=name, level=Level.UNHEALTHY, line=line)
