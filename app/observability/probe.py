"""The probe of the scheduler: writes to the database and to Redis, reads it back, and looks whether
the timetable's ticks arrive.

It has no half success: where one of the three does not answer as it should, the probe has failed.
What an error says is not repeated, since it may name an address or a password.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from time import monotonic

import anyio

from app.engine import Client, RunStatus
from app.engine.redis.keys import HEALTH, cursor
from app.services.probed import Probed, ProbeFailed
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.probes import write_and_read

_PATIENCE = timedelta(seconds=5)
_LATE = timedelta(minutes=3)  # for a schedule of each minute: two ticks may be on their way
_KEY_LIVES = timedelta(minutes=1)  # should nobody come to delete it
_NAME = "scheduler"
_MOMENT = re.compile(rb"\d{1,14}")  # up to the year 5138


class _Unwell(Exception):
    """A part answered, and not as it should."""


class Probe:
    """Asks database, Redis and the clock's ticks."""

    def __init__(
        self,
        database: Database,
        client: Client,
        *,
        patience: timedelta = _PATIENCE,
        now: Now = utc_now,
    ) -> None:
        self._database = database
        self._client = client
        self._patience = patience
        self._now = now

    async def look(self, *, every_minute: str) -> Probed:
        """Ask all of them at once; `every_minute` is a schedule whose ticks have to arrive.

        Raises `ProbeFailed` unless everything is well.
        """
        said: dict[str, str] = {}
        parts: dict[str, Callable[[], Awaitable[str]]] = {
            "database": self._database_part,
            "redis": self._redis_part,
            "ticks": lambda: self._ticks_part(every_minute),
        }
        well = set[str]()

        async def ask(name: str, part: Callable[[], Awaitable[str]]) -> None:
            said[name], is_well = await self._ask(part)
            if is_well:
                well.add(name)

        async with anyio.create_task_group() as group:
            for name, part in parts.items():
                group.start_soon(ask, name, part)
        probed = Probed(connection_healthy=well == parts.keys(), **said)
        if not probed.connection_healthy:
            raise ProbeFailed(probed)
        return probed

    async def _ask(self, part: Callable[[], Awaitable[str]]) -> tuple[str, bool]:
        seconds = self._patience.total_seconds()
        try:
            with anyio.fail_after(seconds):
                return await part(), True
        except _Unwell as error:
            return str(error), False
        except TimeoutError:
            return f"no answer within {seconds:g} s", False
        except Exception as error:  # whatever is broken there, the others are still heard
            return f"it can't be asked ({type(error).__name__})", False

    async def _database_part(self) -> str:
        began, token = monotonic(), token_hex(8)
        if await write_and_read(self._database, _NAME, token, at=self._now()) != token:
            raise _Unwell("it did not give back what was written")
        return _answered(began)

    async def _redis_part(self) -> str:
        began, token = monotonic(), token_hex(8)
        redis, key = self._client.store.redis, f"{HEALTH}:{token_hex(8)}"
        await redis.set(key, token, px=_KEY_LIVES)
        if await redis.getdel(key) != token.encode():
            raise _Unwell("it did not give back what was written")
        return _answered(began)

    async def _ticks_part(self, schedule: str) -> str:
        found: bytes | None = await self._client.store.redis.get(cursor(schedule))
        written = _MOMENT.match(found or b"")
        if written is None:
            raise _Unwell(f"{schedule} has never ticked: no worker goes by the clock")
        tick = datetime.fromtimestamp(int(written[0]) / 1000, UTC)
        late = self._now() - tick
        if late > _LATE:
            raise _Unwell(f"{schedule} ticked last {late.total_seconds():.0f} s ago")
        ago = max(0.0, late.total_seconds())
        return f"{schedule} ticked {ago:.0f} s ago{await self._run_of(schedule, tick)}"

    async def _run_of(self, schedule: str, tick: datetime) -> str:
        """What became of the tick's run, where that is still known."""
        status = await self._client.run(f"{schedule}@{tick:%Y%m%dT%H%M%SZ}").status()
        if status is RunStatus.DEAD:
            raise _Unwell(f"{schedule} ticked, and its run is dead")
        return "" if status is RunStatus.UNKNOWN else f", its run is {status}"


def _answered(began: float) -> str:
    return f"written to and read in {(monotonic() - began) * 1000:.1f} ms"
