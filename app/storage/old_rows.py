"""Rows that are past their time: removed in one transaction, or only counted in a dry run."""

from sqlalchemy import ColumnElement, delete, func, select

from app.storage.base import Base
from app.storage.database import Database


async def remove_rows(
    database: Database, row: type[Base], old: ColumnElement[bool], *, dry_run: bool
) -> int:
    """Remove a table's old rows, or only say how many there are; returns their number."""
    if dry_run:
        count = select(func.count()).select_from(row).where(old)
        async with database.read() as session:
            return await session.scalar(count) or 0
    gone = delete(row).where(old).returning(row.__mapper__.primary_key[0])
    async with database.write() as session:
        return len((await session.execute(gone)).all())
