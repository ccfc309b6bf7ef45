"""Bringing the tables of a PostgreSQL up to date, over the connections that everybody uses.

All steps are one transaction, which holds a lock of the database from its start: of several
processes the first takes the steps, the others wait and find nothing to do.
"""

import importlib

import anyio.to_thread
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.storage.errors import UnusableDatabase
from app.storage.migrations import alembic_config, refuse_newer, revisions

_PATIENCE = "60s"  # how long another process may take to migrate
_LOCK = 0x53_54_45_58  # the advisory lock's key; not the writers', who may go on meanwhile


async def upgrade_server(engine: AsyncEngine, place: object) -> None:
    """Take the missing steps; raises `NewerDatabase`, changing nothing, when it has too many."""
    try:
        if await _is_behind(engine, place):
            await anyio.to_thread.run_sync(importlib.import_module, "alembic.command")
            await _climb(engine, place)
    except SQLAlchemyError as error:
        raise UnusableDatabase(place, getattr(error, "orig", error)) from error


async def _is_behind(engine: AsyncEngine, place: object) -> bool:
    async with engine.connect() as connection:
        found = await connection.run_sync(_revision)
    refuse_newer(found, place)
    return found != revisions()[-1]


async def _climb(engine: AsyncEngine, place: object) -> None:
    async with engine.begin() as connection:
        await connection.execute(select(func.set_config("lock_timeout", _PATIENCE, True)))
        await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        refuse_newer(await connection.run_sync(_revision), place)
        await connection.run_sync(_take_steps)


def _revision(connection: Connection) -> str:
    """The last step that was taken; empty when none was."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return ""
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")) or "")


def _take_steps(connection: Connection) -> None:
    from alembic import command

    command.upgrade(alembic_config(connection), "head")
