"""The highest number that a table's rows ever had: it goes along where the rows go.

A number that was given is never another's, also after its row was deleted (queued work and files
still name it). Each database remembers that by itself, beside the rows: a copy of them does not.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import Column, Table, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.dialect import dialect_of

_IN_FILE = "SELECT name, seq FROM sqlite_sequence"
_RAISE = "UPDATE sqlite_sequence SET seq = max(seq, :number) WHERE name = :table"
_BEGIN = (
    "INSERT INTO sqlite_sequence (name, seq) SELECT :table, :number"
    " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :table)"
)


async def highest_numbers(session: AsyncSession, tables: Sequence[Table]) -> dict[str, int]:
    """Of each of these tables whose numbers are remembered, and has any."""
    if dialect_of(session) == "sqlite":
        found = await session.execute(text(_IN_FILE))
        return {str(each.name): int(each.seq) for each in found}
    numbers = dict[str, int]()
    for table, column in _numbered(tables):
        last = func.pg_sequence_last_value(func.pg_get_serial_sequence(table.name, column.name))
        if number := await session.scalar(select(last)):
            numbers[table.name] = int(number)
    return numbers


async def count_on(
    session: AsyncSession, tables: Sequence[Table], numbers: Mapping[str, int]
) -> None:
    """Have the next rows' numbers be above these, those that are there, and all given before."""
    if dialect_of(session) == "sqlite":
        lasting = [each.name for each, _ in _numbered(tables) if _is_remembered(each)]
        for name in [each for each in lasting if each in numbers]:
            values = {"table": name, "number": numbers[name]}
            await session.execute(text(_RAISE), values)
            await session.execute(text(_BEGIN), values)
        return
    for table, column in _numbered(tables):
        counter = func.pg_get_serial_sequence(table.name, column.name)
        top = select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()
        least = func.greatest(top, func.nextval(counter), numbers.get(table.name, 0) + 1)
        await session.execute(select(func.setval(counter, least, False)))


def count_on_from(path: Path, replaced: Path) -> None:
    """Have a file count on from where the one that it replaces is; blocking.

    What is there may be damaged, and the reason why it is replaced: then there is nothing to learn.
    """
    try:
        with closing(sqlite3.connect(f"{replaced.absolute().as_uri()}?mode=ro", uri=True)) as file:
            numbers = [*file.execute(_IN_FILE)]
    except sqlite3.DatabaseError:
        return
    with closing(sqlite3.connect(path)) as file, file:
        known = {name for (name,) in file.execute("SELECT name FROM sqlite_sequence")}
        for name, number in numbers:
            values = {"table": name, "number": number}
            if isinstance(number, int) and name in known:
                file.execute(_RAISE, values)


def _numbered(tables: Sequence[Table]) -> list[tuple[Table, "Column[int]"]]:
    return [(e, e.autoincrement_column) for e in tables if e.autoincrement_column is not None]


def _is_remembered(table: Table) -> bool:
    """Whether SQLite does so, too: it need not where a number may come again."""
    return bool(table.dialect_options["sqlite"]["autoincrement"])
