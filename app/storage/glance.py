"""The history at a glance: read by SQLite itself, for commands that answer before an ORM is loaded.

It reads and nothing more, and only a file that is up to date; any other is for `Database` to judge.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync

from app.engine import Ending, UnknownRun
from app.storage.run import Run

_STEPS = Path(__file__).parent / "migrations" / "versions"
_COLUMNS = tuple(Run.__slots__)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM runs"  # our own names, nothing from outside
_PATIENCE = 10.0  # s: how long another process may hold the file


class Glance:
    """Looks into the history of one file; each look opens and closes it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def is_possible(self) -> bool:
        """Whether the file has taken every step this program knows, and no other."""
        try:
            rows = await run_sync(self._rows, "SELECT version_num FROM alembic_version", ())
        except sqlite3.Error:
            return False
        newest = max(path.name.partition("_")[0] for path in _STEPS.glob("[0-9]*.py"))
        return [*rows] == [(newest,)]

    async def get(self, run_id: str) -> Run:
        """The latest run of this id; raises `UnknownRun`."""
        asked = f"{_SELECT} WHERE id = ? ORDER BY enqueued_at DESC LIMIT 1"
        rows = await run_sync(self._rows, asked, (run_id,))
        if not rows:
            raise UnknownRun(f"no run {run_id!r} in the history")
        return _run(rows[0])

    async def list(
        self, *, status: Ending | None = None, queue: str | None = None, limit: int = 50
    ) -> tuple[Run, ...]:
        """The latest runs, newest first."""
        wanted = {"status": status, "queue": queue}
        given = {name: str(value) for name, value in wanted.items() if value is not None}
        where = " AND ".join(f"{name} = ?" for name in given) or "TRUE"
        asked = f"{_SELECT} WHERE {where} ORDER BY ended_at DESC, id LIMIT ?"
        rows = await run_sync(self._rows, asked, (*given.values(), limit))
        return tuple(map(_run, rows))

    def _rows(self, query: str, values: Sequence[object]) -> Sequence[tuple[Any, ...]]:
        address = f"{self._path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE)) as connection:
            return connection.execute(query, tuple(values)).fetchall()


def _run(row: tuple[Any, ...]) -> Run:
    fields: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    for name in ("enqueued_at", "started_at", "ended_at"):
        fields[name] = datetime.fromisoformat(fields[name]).replace(tzinfo=UTC)
    fields["status"] = Ending(fields["status"])
    return Run(**fields)
