"""What two folders were like when they were last alike, file by file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.database import Database

_MARK = ""  # in place of a path: which folders these are
_RESTORED = "/"  # in place of a path: what is known of them is a restored backup's


class SyncedFileRow(Base):
    """A file as both folders had it."""

    __tablename__ = "synced_files"

    pair: Mapped[str] = mapped_column(String(64), primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))


@dataclass(frozen=True, slots=True)
class Synced:
    """What is known of two folders."""

    mark: str
    """What both should bear; empty when they were never alike."""
    files: dict[str, str]
    """The digest of each file."""
    is_restored: bool
    """Whether a backup says so, and either may have changed since in ways that nobody knows."""


NOTE_RESTORED: Final = (
    "INSERT OR IGNORE INTO synced_files (pair, path, digest)"
    " SELECT pair, ?, '' FROM synced_files WHERE path = ?",
    (_RESTORED, _MARK),
)
"""What has a restored backup know it, of every pair."""


class SyncedFiles:
    """The files of one pair of folders."""

    def __init__(self, database: Database, pair: str) -> None:
        self._database = database
        self._pair = pair

    async def read(self) -> Synced:
        """What is known; nothing the first time."""
        wanted = select(SyncedFileRow).where(SyncedFileRow.pair == self._pair)
        async with self._database.read() as session:
            known = {row.path: row.digest for row in await session.scalars(wanted)}
        is_restored = known.pop(_RESTORED, None) is not None
        return Synced(known.pop(_MARK, ""), known, is_restored)

    async def merge(self, unknown: Iterable[str]) -> None:
        """Forget these files, and that a backup was restored. Safe to repeat."""
        await self.record(dict.fromkeys([*unknown, _RESTORED]))

    async def begin(self, mark: str) -> None:
        """Forget what was, and remember the folders by this mark."""
        async with self._database.write() as session:
            gone = delete(SyncedFileRow).where(SyncedFileRow.pair == self._pair)
            await session.execute(gone)
            session.add(SyncedFileRow(pair=self._pair, path=_MARK, digest=mark))

    async def record(self, files: Mapping[str, str | None]) -> None:
        """Remember what both folders have by now; None for what neither has. Safe to repeat."""
        async with self._database.write() as session:
            for path, digest in files.items():
                if digest is None:
                    is_it = (SyncedFileRow.pair == self._pair) & (SyncedFileRow.path == path)
                    await session.execute(delete(SyncedFileRow).where(is_it))
                else:
                    await session.merge(SyncedFileRow(pair=self._pair, path=path, digest=digest))
