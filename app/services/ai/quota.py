"""Remembers what only a paid request can tell: that a quota is used up, or a model unknown.

To ask for the list of models costs nothing, and is answered all the same. So what the last request
met lies in the database's cache, for every process, until one is answered again.
"""

import logging
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import anyio
from sqlalchemy.exc import SQLAlchemyError

from app.services.ai.errors import QuotaUsedUp, UnknownModel
from app.storage.cache import Cache
from app.storage.clock import Now

log = logging.getLogger(__name__)

T = TypeVar("T")

_KEPT: Final = timedelta(days=7)  # runs that wait ask each hour; without any nobody may ever ask
_UNKNOWN: Final = b"model "
_PATIENCE = 3.0  # s for the database, without which it goes too


class Quota:
    """What is known of one account's quota, under `key` in the cache."""

    def __init__(self, cache: Cache, key: str, *, now: Now) -> None:
        self._cache = cache
        self._key = key
        self._now = now

    async def used_up(self) -> None:
        """Write down that the provider has just said so."""
        met = self._now().astimezone(UTC).isoformat(timespec="minutes")
        await _in_time(self._cache.put(self._key, met.encode(), keep=_KEPT))

    async def unknown_model(self, said: str) -> None:
        """Write down that the provider has just said that it has no such model."""
        await _in_time(self._cache.put(self._key, _UNKNOWN + said.encode(), keep=_KEPT))

    async def answered(self) -> None:
        """Forget it, since the provider has just answered."""
        if await self._met():
            await _in_time(self._cache.forget(self._key))

    async def check(self) -> None:
        """Raise `QuotaUsedUp` or `UnknownModel` if that is what the last request met."""
        met = await self._met()
        if met and met.startswith(_UNKNOWN):
            raise UnknownModel(met.removeprefix(_UNKNOWN).decode())
        if met:
            raise QuotaUsedUp(met=datetime.fromisoformat(met.decode()))

    async def _met(self) -> bytes | None:
        return await _in_time(self._cache.get(self._key))


async def _in_time(step: Awaitable[T]) -> T | None:
    """What the database says; None when it does not: that keeps no answer from anybody."""
    with anyio.move_on_after(_PATIENCE):
        try:
            return await step
        except SQLAlchemyError:
            log.debug("what is known of the quota can't be kept", exc_info=True)
    return None
