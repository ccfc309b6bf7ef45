"""Accounts that are left alone for a while: they refused us, or asked for it.

A login that is refused is not tried again for an hour, by whatever job, tick, health check, process
or machine: providers lock accounts for less. One that asks to wait is not asked before. What was
heard lies in the database's cache, under a key made of the account and what it is entered with, so
other settings are tried at once. The first success ends it, as that of `steward check`.
"""

import logging
from collections.abc import Awaitable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import anyio
import msgspec
from sqlalchemy.exc import SQLAlchemyError

from app.services.health_report import PlainTrouble
from app.storage.cache import Cache
from app.storage.clock import Now

log = logging.getLogger(__name__)

T = TypeVar("T")

REFUSED: Final = timedelta(hours=1)
_LOOK: Final = timedelta(minutes=1)
_KEPT: Final = timedelta(days=30)  # since when it is refused, for who is told of that
_PATIENCE: Final = 3.0  # s for the database, without which it goes too


class Resting(msgspec.Struct, frozen=True, kw_only=True):
    """What was heard of an account."""

    since: datetime
    """When it first refused us, or asked to wait, without a success since then."""
    until: datetime
    why: str
    """In words of ours, which name a server and a setting, and no secret."""
    is_refusal: bool

    @property
    def plain(self) -> str:
        """The same for everybody to read, without an address."""
        what = "it refuses us" if self.is_refusal else "it has asked to be left alone"
        again = ", or with other settings" if self.is_refusal else ""
        return f"{what} since {_hour(self.since)}; it is tried from {_hour(self.until)} on{again}"

    def __str__(self) -> str:
        """All that is known."""
        return f"{self.why} ({self.plain})"

    def wait(self, now: datetime) -> timedelta:
        """How long a run has to wait until it looks again.

        That is soon for one that was refused: there may be other settings by then, and to look
        asks nobody outside.
        """
        left = max(self.until - now, timedelta(0))
        return min(left, _LOOK) if self.is_refusal else left


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An account that refuses us, for its owner to be told of."""

    label: str
    why: str
    until: str
    key: str
    """The same for each time that it is met."""


class Rest:
    """What is known of one account, by all processes."""

    def __init__(self, cache: Cache, *, name: str, account: str, label: str, now: Now) -> None:
        """`account` tells it from the same with another password, and is no secret."""
        self.label = label
        self._cache = cache
        self._key = f"rest:{name}:{account}"
        self._now = now
        self._known: Resting | None = None

    async def look(self) -> Resting | None:
        """What was heard, if it is to be left alone now."""
        self._known = found = await self._kept()
        return found if found and self._now() < found.until else None

    async def refuse_if_resting(self) -> None:
        """Raise `PlainTrouble` if it is to be left alone now."""
        if found := await self.look():
            raise PlainTrouble(found.plain)

    async def refused(self, why: str) -> Resting:
        """It has just refused us."""
        return await self._open(why, REFUSED, is_refusal=True)

    async def asked(self, why: str, wait: timedelta) -> Resting:
        """It has just asked to be left alone for so long."""
        return await self._open(why, wait, is_refusal=False)

    async def answered(self) -> None:
        """It has just let us in; costs nothing where nothing else was heard at the last look."""
        known, self._known = self._known, None
        if known is not None:
            log.info("%s lets us in again.", self.label)
            await _in_time(self._cache.forget(self._key))

    @property
    def refusal(self) -> Refusal | None:
        """That it refuses us, if that is what was last met here."""
        known = self._known
        if known is None or not known.is_refusal:
            return None
        key = f"refused:{self._key.removeprefix('rest:')}:{known.since:%Y-%m-%d %H:%M}"
        return Refusal(label=self.label, why=known.why, until=_hour(known.until), key=key)

    def now(self) -> datetime:
        """The time by which it rests."""
        return self._now()

    async def _open(self, why: str, wait: timedelta, *, is_refusal: bool) -> Resting:
        now, before = self._now(), await self._kept()
        is_known = before is not None and before.is_refusal == is_refusal
        since = before.since if before and is_known else now
        found = Resting(since=since, until=now + wait, why=why, is_refusal=is_refusal)
        level = logging.INFO if is_known else logging.WARNING  # once is enough
        log.log(level, "%s is left alone until %s: %s", self.label, _hour(found.until), why)
        self._known = found
        await _in_time(self._cache.put(self._key, msgspec.msgpack.encode(found), keep=wait + _KEPT))
        return found

    async def _kept(self) -> Resting | None:
        packed = await _in_time(self._cache.get(self._key))
        try:
            return msgspec.msgpack.decode(packed, type=Resting) if packed else None
        except msgspec.DecodeError:
            return None  # another release has put it there


class Rests:
    """All accounts of a process that may have to be left alone."""

    def __init__(self, cache: Cache, *, now: Now) -> None:
        self._cache = cache
        self._now = now
        self._rests = list[Rest]()
        self._told = set[str]()

    def of(self, *, name: str, account: str, label: str) -> Rest:
        """What is known of one account; each is asked for once."""
        rest = Rest(self._cache, name=name, account=account, label=label, now=self._now)
        self._rests.append(rest)
        return rest

    def untold(self) -> Collection[Refusal]:
        """The refusals met here of which `told` has not heard."""
        found = (each.refusal for each in self._rests)
        return [each for each in found if each and each.key not in self._told]

    def told(self, refusal: Refusal) -> None:
        """Somebody was told of it."""
        self._told.add(refusal.key)


def _hour(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


async def _in_time(step: Awaitable[T]) -> T | None:
    """What the database says; None when it does not: then nobody is known to rest."""
    with anyio.move_on_after(_PATIENCE):
        try:
            return await step
        except SQLAlchemyError:
            log.debug("what is known of an account can't be kept", exc_info=True)
    return None
