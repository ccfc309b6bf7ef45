"""Where the databases' SQL differs: an insert that says what to do when the row is there already.

insert_into(session, NoticeRow).values(...).on_conflict_do_nothing()
"""

from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.base import Base

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

    Insert = sqlite.Insert | postgresql.Insert


def insert_into(session: AsyncSession, row: type[Base]) -> "Insert":
    """An insert in the SQL of the session's database."""
    return insert_of(dialect_of(session), row)


def dialect_of(session: AsyncSession) -> str:
    """Whose SQL the session speaks: sqlite, postgresql."""
    return session.get_bind().dialect.name


def insert_of(dialect: str, row: type[Base]) -> "Insert":
    """An insert in the SQL of this dialect; only what is used is imported."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(row)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(row)
