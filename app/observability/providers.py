"""Providers: those outside whom Steward needs, as parts of the health check.

One that is away is degraded and never unhealthy: the work of the others goes on, and restarting a
worker mends nothing. It is unhealthy where a setting can't work, as a model that its provider does
not know: no wait mends that. What it says is not repeated, since it may name an address, unless the
words are ours; `steward check` tells more to whoever sits at the machine.

Each is asked for something that costs nothing, and not more often than every five minutes, however
many workers and commands want to know: what it said lies in the database's cache, for all of them.
Who refuses us is left alone for an hour, since providers lock accounts for less.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic

import anyio
import msgspec
from sqlalchemy.exc import SQLAlchemyError

from app.services.health_report import BrokenSetting, Level, Part, PlainTrouble
from app.storage.cache import Cache
from app.storage.clock import Now, utc_now

log = logging.getLogger(__name__)

PATIENCE = timedelta(seconds=8)
"""For a login with TLS, or several round trips, on a slow line."""
_HOLDS = timedelta(minutes=5)
_REFUSED = timedelta(hours=1)
_LOOKED = 60.0  # s between two looks whether something has to be asked anew
_CACHE = 3.0  # s for the database, without which it goes too
_OLD = timedelta(seconds=10)  # an answer whose age is worth telling

Try = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One of them."""

    name: str
    """As `steward check` calls it."""
    attempt: Try | None
    """Raises what is wrong; None where the settings name no account."""
    account: str = ""
    """What tells its settings from others; no secret."""

    @property
    def key(self) -> str:
        """Where its answer is kept."""
        return f"health:{self.name}:{self.account}"


class Heard(msgspec.Struct, frozen=True):
    """What came of asking."""

    at: datetime
    until: datetime
    """When it has to be asked anew."""
    part: Part

    def told(self, now: datetime) -> Part:
        """The part, with its age."""
        if now - self.at < _OLD:
            return self.part
        age = f"{(now - self.at).total_seconds():.0f} s ago"
        return replace(self.part, line=f"{self.part.line}; asked {age}")


class Providers:
    """Asks providers, and remembers for a while what came of it."""

    def __init__(
        self,
        providers: Iterable[Provider] = (),
        *,
        cache: Cache | None = None,
        patience: timedelta = PATIENCE,
        now: Now = utc_now,
    ) -> None:
        self._providers = {each.name: each for each in providers}
        self._cache = cache
        self._patience = patience.total_seconds()
        self._now = now
        self._heard = dict[str, Heard]()
        self._turns = {name: anyio.Lock() for name in self._providers}

    async def parts(self) -> tuple[Part, ...]:
        """How each of them is; asks those of whom nobody has heard lately."""
        found = dict[str, Part]()

        async def look(provider: Provider) -> None:
            found[provider.name] = await self._part(provider)

        async with anyio.create_task_group() as group:
            for each in self._providers.values():
                group.start_soon(look, each)
        return tuple(found[name] for name in self._providers)

    @property
    def troubles(self) -> tuple[str, ...]:
        """Those that can't be used, as far as is known here; asks nobody."""
        heard = (self._heard[name] for name in self._providers if name in self._heard)
        return tuple(str(each.told(self._now())) for each in heard if each.part.is_issue)

    async def run(self) -> None:
        """Keep what is known up to date, until cancelled."""
        while True:
            await self.parts()
            await anyio.sleep(_LOOKED)

    async def forget(self, name: str) -> None:
        """Have it asked anew, by everybody who has not heard of it themselves."""
        self._heard.pop(name, None)
        if self._cache and name in self._providers:
            await self._cache.forget(self._providers[name].key)

    async def _part(self, provider: Provider) -> Part:
        if provider.attempt is None:
            line = f"no account; `steward check {provider.name}` leads to one"
            return Part(name=provider.name, level=Level.NOT_CONFIGURED, line=line)
        async with self._turns[provider.name]:  # many who want to know ask once
            heard = self._fresh(self._heard.get(provider.name))
            heard = heard or self._fresh(await self._kept(provider))
            if heard is None:
                heard = await self._ask(provider, provider.attempt)
                await self._keep(provider, heard)
            self._heard[provider.name] = heard
            return heard.told(self._now())

    def _fresh(self, heard: Heard | None) -> Heard | None:
        return heard if heard and heard.until > self._now() else None

    async def _ask(self, provider: Provider, attempt: Try) -> Heard:
        name, started, now = provider.name, monotonic(), self._now()
        try:
            with anyio.fail_after(self._patience):
                await attempt()
        except TimeoutError:
            part = _unusable(name, f"no answer within {self._patience:g} s")
        except BrokenSetting as error:
            part = replace(_unusable(name, str(error)), level=Level.UNHEALTHY)
        except PlainTrouble as error:
            part = _unusable(name, str(error))
        except PermissionError as error:
            part = _unusable(name, f"it refuses us ({type(error).__name__})")
            return Heard(now, now + _REFUSED, part)
        except Exception as error:  # whatever is wrong there, it is theirs
            part = _unusable(name, f"it can't be used ({type(error).__name__})")
        else:
            part = _usable(name, monotonic() - started)
        return Heard(now, now + _HOLDS, part)

    async def _kept(self, provider: Provider) -> Heard | None:
        """What another process has heard."""
        packed = None
        if self._cache:
            with anyio.move_on_after(_CACHE):
                try:
                    packed = await self._cache.get(provider.key)
                except SQLAlchemyError:
                    log.debug("nobody can tell what %s has said", provider.name, exc_info=True)
        try:
            return msgspec.msgpack.decode(packed, type=Heard) if packed else None
        except msgspec.DecodeError:
            return None  # another release has put it there

    async def _keep(self, provider: Provider, heard: Heard) -> None:
        if self._cache:
            with anyio.move_on_after(_CACHE):
                try:
                    packed = msgspec.msgpack.encode(heard)
                    await self._cache.put(provider.key, packed, keep=heard.until - heard.at)
                except SQLAlchemyError:
                    log.debug("what %s has said can't be kept", provider.name, exc_info=True)


def _usable(name: str, seconds: float) -> Part:
    milliseconds = round(seconds * 1000, 1)
    return Part(
        name=name,
        level=Level.HEALTHY,
        measured=milliseconds,
        unit="ms",
        line=f"tried in {milliseconds:g} ms",
    )


def _unusable(name: str, why: str) -> Part:
    line = f"{why}: `steward check {name}` tells why"
    return Part(name=name, level=Level.DEGRADED, line=line)
