"""A cache in the database: what can be had again, kept for a while because that costs something.

    body = await cache.get("feed:3f1c")          # None: not there, too old, or damaged
    await cache.put("feed:3f1c", body, keep=days(7))

What is in it may be gone at any moment. An entry is given out until its deadline and not at it; one
whose bytes are not those that were put there counts as not there. Entries are compressed.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from sqlalchemy import LargeBinary, String, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.swept import CacheCleaned

LARGEST = 4 * 1024**2
"""Bytes of one entry, compressed; what is larger is not kept."""
_LARGEST_PLAIN = 64 * 1024**2  # bytes that an entry may be once it is unpacked
_ROOM = 256 * 1024**2  # bytes of all of them
_LOOKED_AT = 20  # entries read in one go, each with all its bytes
_DROPPED = 500  # entries dropped in one transaction
_LONGEST_KEY = 200


class CacheRow(Base):
    """An entry as the database keeps it."""

    __tablename__ = "cache"

    key: Mapped[str] = mapped_column(String(_LONGEST_KEY), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[str] = mapped_column(String(32))
    stored_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


@dataclass(slots=True)
class _Found:
    """What a look through the cache finds to be dropped."""

    expired: list[str]
    invalid: list[str]
    alive: list[tuple[datetime, str, int]]
    freed: int = 0


class Cache:
    """The cache in the database."""

    def __init__(self, database: Database, *, room: int = _ROOM, now: Now = utc_now) -> None:
        self._database = database
        self._room = room
        self._now = now

    async def get(self, key: str) -> bytes | None:
        """What was put there, if its time is not over."""
        async with self._database.read() as session:
            row = await session.get(CacheRow, _checked(key))
        if row is None or not row.stored_at <= self._now() < row.expires_at:
            return None
        return _unpacked(row)

    async def put(self, key: str, value: bytes, *, keep: timedelta) -> bool:
        """Keep it for so long, in place of what was there; False when it is too large to keep."""
        packed = zlib.compress(value)
        if len(packed) > LARGEST or len(value) > _LARGEST_PLAIN:
            await self.forget(key)
            return False
        now = self._now()
        row = CacheRow(
            key=_checked(key),
            value=packed,
            digest=_digest(key, packed),
            stored_at=now,
            expires_at=now + keep,
        )
        async with self._database.write() as session:
            await session.merge(row)
        return True

    async def forget(self, key: str) -> None:
        """Drop it, if it is there."""
        async with self._database.write() as session:
            await session.execute(delete(CacheRow).where(CacheRow.key == _checked(key)))

    async def clean(self, *, dry_run: bool = False) -> CacheCleaned:
        """Drop what nobody would be given any more, or only say what. Safe to repeat."""
        found = await self._look()
        crowded = self._crowded_out(found)
        if not dry_run:
            await self._drop([*found.expired, *found.invalid, *crowded])
        return CacheCleaned(
            dry_run=dry_run,
            expired=len(found.expired),
            invalid=len(found.invalid),
            crowded_out=len(crowded),
            kept=len(found.alive) - len(crowded),
            freed_bytes=found.freed,
        )

    async def _look(self) -> _Found:
        """Read it all, some entries at a time."""
        found, last, now = _Found([], [], []), "", self._now()
        while rows := await self._after(last):
            for row in rows:
                _sort(row, now, found)
            last = rows[-1].key
        return found

    async def _after(self, key: str) -> Sequence[CacheRow]:
        next_ones = select(CacheRow).where(CacheRow.key > key).order_by(CacheRow.key)
        async with self._database.read() as session:
            return [*await session.scalars(next_ones.limit(_LOOKED_AT))]

    def _crowded_out(self, found: _Found) -> list[str]:
        """Those to go beside the dead ones, so that the rest has room: the first to expire."""
        size = sum(each for _, _, each in found.alive)
        crowded: list[str] = []
        for _, key, each in sorted(found.alive):
            if size <= self._room:
                break
            crowded.append(key)
            size, found.freed = size - each, found.freed + each
        return crowded

    async def _drop(self, keys: Sequence[str]) -> None:
        """One that was put there anew meanwhile goes too: it can be had again."""
        for start in range(0, len(keys), _DROPPED):
            some = keys[start : start + _DROPPED]
            async with self._database.write() as session:
                await session.execute(delete(CacheRow).where(CacheRow.key.in_(some)))

    async def size(self) -> int:
        """How many entries there are, dead ones included."""
        async with self._database.read() as session:
            return await session.scalar(select(func.count()).select_from(CacheRow)) or 0


def _sort(row: CacheRow, now: datetime, found: _Found) -> None:
    """Put an entry where it belongs."""
    if row.expires_at <= now:
        found.expired.append(row.key)
    elif row.stored_at > now or _unpacked(row) is None:
        found.invalid.append(row.key)
    else:
        found.alive.append((row.expires_at, row.key, len(row.value)))
        return
    found.freed += len(row.value)


def _unpacked(row: CacheRow) -> bytes | None:
    """Its bytes; None when they are not those that were put there."""
    if row.digest != _digest(row.key, row.value):
        return None
    try:
        return zlib.decompressobj().decompress(row.value, _LARGEST_PLAIN)
    except zlib.error:
        return None


def _digest(key: str, packed: bytes) -> str:
    return blake2b(packed, key=key.encode()[:64], digest_size=16).hexdigest()


def _checked(key: str) -> str:
    if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
        raise ValueError(f"a key of the cache is 1 to {_LONGEST_KEY} printable characters")
    return key
