"""SQLite looked after: ANALYZE, VACUUM where it gives much back, and its log emptied.

It has a connection of its own, in a thread: VACUUM can't be in a transaction, and waits for those
of others. When the job is cancelled, what is under way is interrupted.
"""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from anyio.to_thread import run_sync

from app.storage.errors import UnusableDatabase
from app.storage.optimizations import DatabaseFacts
from app.storage.questions import USUAL, counts

T = TypeVar("T")

_PATIENCE = 30.0  # s: how long others may hold the file
_POLITE = 100  # ms: while the log is emptied, whoever reads it keeps all writers waiting
_WORTH_IT = 0.2  # of the file: what less is unused will be used soon
_LEAST = 1024**2  # bytes: nobody misses less
_ROOM = 2.2  # times the file: VACUUM writes it anew, first beside itself and then into the log


class SqliteUpkeep:
    """Looks after one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def facts(self) -> DatabaseFacts:
        """How it is."""
        return await self._with_file(self._facts)

    async def analyze(self) -> None:
        """Have the planner know what is in the tables, all of it and not a sample."""
        await self._with_file(_analyze)

    async def compact(self, facts: DatabaseFacts) -> bool:
        """Write the file anew if much of it is unused; empty its log unless that is read."""
        is_worth_it = _is_worth_it(facts) and not self.why_not_compacted(facts)

        def act(file: sqlite3.Connection) -> None:
            if is_worth_it:
                file.execute("VACUUM")
            file.execute(f"PRAGMA busy_timeout={_POLITE}")
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        await self._with_file(act)
        return is_worth_it

    def why_not_compacted(self, facts: DatabaseFacts) -> str:
        """A disk that has no room for a second file, if there is something to give back."""
        needed = int(facts.size * _ROOM)
        if not _is_worth_it(facts) or shutil.disk_usage(self._path.parent).free > needed:
            return ""
        return f"the disk has no {needed} bytes free, which compacting takes for a while"

    async def _with_file(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Act in a thread, on a connection that is interrupted if nobody waits any more."""
        opened: list[sqlite3.Connection] = []

        def in_thread() -> T:
            with closing(self._open()) as file:
                opened.append(file)
                try:
                    return act(file)
                finally:
                    opened.clear()

        try:
            return await run_sync(in_thread, abandon_on_cancel=True)
        except sqlite3.DatabaseError as error:
            raise UnusableDatabase(self._path, error) from error
        finally:
            for file in opened:
                file.interrupt()

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
        )

    def _facts(self, file: sqlite3.Connection) -> DatabaseFacts:
        page = _number(file, "PRAGMA page_size")
        log = self._path.with_name(f"{self._path.name}-wal")
        size = page * _number(file, "PRAGMA page_count")
        began = perf_counter()
        for query in USUAL:
            file.execute(query).fetchall()
        took = perf_counter() - began
        return DatabaseFacts(
            size=size + (log.stat().st_size if log.exists() else 0),
            unused=page * _number(file, "PRAGMA freelist_count"),
            queries_ms=round(took * 1000, 3),
            rows={name: _number(file, question) for name, question in counts().items()},
            statistics=_statistics(file),
        )


def _is_worth_it(facts: DatabaseFacts) -> bool:
    return facts.unused >= max(_LEAST, _WORTH_IT * facts.size)


def _analyze(file: sqlite3.Connection) -> None:
    file.execute("PRAGMA analysis_limit=0")
    file.execute("ANALYZE")


def _statistics(file: sqlite3.Connection) -> dict[str, str]:
    """What ANALYZE has left, by `table.index`."""
    if not file.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone():
        return {}
    found = file.execute("SELECT tbl, idx, stat FROM sqlite_stat1 ORDER BY tbl, idx")
    return {f"{table}.{index}" if index else str(table): str(stat) for table, index, stat in found}


def _number(file: sqlite3.Connection, query: str) -> int:
    row: tuple[Any, ...] = file.execute(query).fetchone()
    return int(row[0])
