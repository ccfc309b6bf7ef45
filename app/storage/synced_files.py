"""What two folders were like when they were last alike, file by file."""

from collections.abc import Mapping

from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.database import Database

_MARK = ""  # in place of a path: which folders these are


class SyncedFileRow(Base):
    """A file as both folders had it."""

    __tablename__ = "synced_files"

    pair: Mapped[str] = mapped_column(String(64), primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))


class SyncedFiles:
    """The files of one pair of folders."""

    def __init__(self, database: Database, pair: str) -> None:
        self._database = database
        self._pair = pair

    async def read(self) -> tuple[str, dict[str, str]]:
        """The mark that both folders should have, and the digest of each file."""
        wanted = select(SyncedFileRow).where(SyncedFileRow.pair == self._pair)
        async with self._database.read() as session:
            known = {row.path: row.digest for row in await session.scalars(wanted)}
        return known.pop(_MARK, ""), known

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
