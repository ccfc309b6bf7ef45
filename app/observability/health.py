"""The health check: asks every part of Steward for something real, all at the same time.

The database is written to and read, Redis stores a key and gives it back and tells whether it can
be trusted with runs, every queue must have a live worker, and each queue and the outbox tell how
long their oldest run waits. A part that does not answer in time counts as unhealthy; the check
itself always ends. What an error says is not repeated: it may name an address or a password.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import monotonic

import anyio
import msgspec
from sqlalchemy.exc import SQLAlchemyError

from app.engine import Client, DeadLetters, Fitness, examine
from app.engine.redis.keys import HEALTH
from app.observability import machine
from app.observability.providers import NOBODY, Providers, ask_provider
from app.services.health_report import (
    USUAL,
    HealthReport,
    Level,
    Part,
    ReportStatus,
    Thresholds,
    graded,
)
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.effects import Effects
from app.storage.health import HealthChecks
from app.storage.outbox import Outbox

logger = logging.getLogger(__name__)

_KEY_LIVES = timedelta(minutes=1)  # should nobody come to delete it

Probe = Callable[[], Awaitable[Part]]


class Health:
    """Asks database, Redis, queues, workers, outbox and machine how they are."""

    def __init__(
        self,
        database: Database,
        client: Client,
        home: Path,
        *,
        limits: Thresholds = USUAL,
        accepted: Collection[str] = (),
        providers: Providers = NOBODY,
        now: Now = utc_now,
    ) -> None:
        """`home` is the folder whose disk counts; `accepted` what Redis may lack."""
        self._database = database
        self._client = client
        self._home = home
        self._limits = limits
        self._accepted = accepted
        self._providers = providers
        self._now = now
        self._checks = HealthChecks(database, now=now)
        self._outbox = Outbox(database, client, now=now)

    async def check(self) -> HealthReport:
        """Ask everybody at once, remember what they said, and never raise for it.

        Takes as long as the slowest, and not much longer than `no_answer`.
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
        probes: dict[str, Probe] = {
            "database": partial(self._database_part, check),
            "redis": self._redis,
            "queues": self._queues,
            "workers": self._workers,
            "outbox": self._outbox_part,
            "dead letters": self._dead_letters,
            "effects": self._effects,
            "disk": partial(machine.disk, self._home, self._limits),
            "memory": partial(machine.memory, self._limits),
            "cpu": partial(machine.cpu, self._limits),
        }
        for name, try_it in self._providers.items():
            probes[name] = partial(ask_provider, name, try_it)
        async with anyio.create_task_group() as group:
            for name, probe in probes.items():
                group.start_soon(self._ask, check, name, probe)
        check.parts = tuple(check.answers[name] for name in probes)
        return check

    async def _ask(self, check: "_Check", name: str, probe: Probe) -> None:
        seconds = self._limits.no_answer.total_seconds()
        try:
            with anyio.fail_after(seconds):
                check.answers[name] = await probe()
        except TimeoutError:
            check.answers[name] = _silent(name, f"no answer within {seconds:g} s")
        except Exception as error:  # whatever is broken there, the others are still asked
            logger.warning("Health: %s can't be asked: %s", name, type(error).__name__)
            check.answers[name] = _silent(name, f"it can't be asked ({type(error).__name__})")

    async def _database_part(self, check: "_Check") -> Part:
        started = monotonic()
        check.id = await self._checks.begin(check.at)
        await self._database.ping()
        return self._answered("database", monotonic() - started, "written to and read")

    async def _redis(self) -> Part:
        started = monotonic()
        await self._client.ping()
        await self._write_and_read()
        part = self._answered("redis", monotonic() - started, "pinged, written to and read")
        return self._judged(part, await examine(self._client))

    def _judged(self, part: Part, fitness: Fitness) -> Part:
        """A server that a worker would refuse is unhealthy; what was accepted is told, too."""
        accepted = (each.flaw for each in fitness.objections if each.flaw in self._accepted)
        if names := ", ".join(accepted):
            part = replace(part, line=f"{part.line}; accepted: {names}")
        if refused := fitness.beyond(self._accepted):
            lines = "; ".join(each.line for each in refused)
            return replace(part, level=Level.UNHEALTHY, line=f"{part.line}; {lines}")
        return part

    async def _write_and_read(self) -> None:
        redis, token = self._client.store.redis, token_hex(8)
        key = f"{HEALTH}:{token}"
        await redis.set(key, token, px=_KEY_LIVES)
        if await redis.getdel(key) != token.encode():
            raise ConnectionError("it did not give back what it was given")

    def _answered(self, name: str, seconds: float, line: str) -> Part:
        slow, silent = self._limits.answer.total_seconds(), self._limits.no_answer.total_seconds()
        milliseconds = round(seconds * 1000, 1)
        return Part(
            name=name,
            level=graded(seconds, degraded=slow, unhealthy=silent),
            measured=milliseconds,
            unit="ms",
            line=f"{line} in {milliseconds:g} ms",
        )

    async def _queues(self) -> Part:
        depths = await self._client.queues()
        slowest = max(depths, key=lambda each: each.oldest_wait, default=None)
        waited = slowest.oldest_wait.total_seconds() if slowest else 0.0
        line = f"{sum(each.ready for each in depths)} ready"
        return Part(
            name="queues",
            level=graded(
                waited,
                degraded=self._limits.wait.total_seconds(),
                unhealthy=self._limits.stuck.total_seconds(),
            ),
            measured=round(waited, 1),
            unit="s",
            line=f"{line}; {slowest.name} waits longest" if slowest and waited else line,
        )

    async def _workers(self) -> Part:
        """A queue that no live worker serves is the fault of the replaced system."""
        workers = await self._client.workers()
        served = {queue for worker in workers for queue in worker.queues}
        idle = [each.name for each in await self._client.queues() if each.name not in served]
        blocked = [each.blocked for each in workers if each.blocked]
        line = f"{len(workers)} alive, {sum(each.slots for each in workers)} slots"
        if blocked:
            line = f"{line}; jobs block {len(blocked)} of them, one for {max(blocked).seconds} s"
        fine = Level.DEGRADED if blocked else Level.HEALTHY
        return Part(
            name="workers",
            level=Level.UNHEALTHY if idle else fine,
            measured=len(workers),
            line=f"{line}; nobody serves {', '.join(idle)}" if idle else line,
        )

    async def _dead_letters(self) -> Part:
        """So many that nobody looks through them are nobody's, and take Redis's memory."""
        count = await DeadLetters(self._client).count()
        return Part(
            name="dead letters",
            level=Level.DEGRADED if count >= self._limits.dead_letters else Level.HEALTHY,
            measured=count,
            line=f"{count}; `steward dead groups` tells of what" if count else "none",
        )

    async def _outbox_part(self) -> Part:
        """Runs that were written in the database, and are on no queue yet."""
        standing = await self._outbox.standing()
        waited = self._now() - standing.oldest if standing.oldest else timedelta(0)
        level = graded(
            waited.total_seconds(),
            degraded=self._limits.wait.total_seconds(),
            unhealthy=self._limits.stuck.total_seconds(),
        )
        line = f"{standing.waiting} wait to be enqueued"
        if standing.troubled:
            level = Level.worst([level, Level.DEGRADED])
            line = f"{line}; {standing.troubled} can't be, {standing.job} first: see the log"
        return Part(
            name="outbox",
            level=level,
            measured=round(max(0.0, waited.total_seconds()), 1),
            unit="s",
            line=line,
        )

    async def _effects(self) -> Part:
        """What was begun before a crash, and nobody can tell whether it happened."""
        count = await Effects(self._database).count_in_doubt()
        line = f"{count} in doubt: see `steward effects`" if count else "none in doubt"
        level = Level.DEGRADED if count else Level.HEALTHY
        return Part(name="effects", level=level, measured=count, line=line)

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
    parts: tuple[Part, ...] = ()
    id: int | None = None


def _silent(name: str, line: str) -> Part:
    return Part(name=name, level=Level.UNHEALTHY, line=line)
