"""The tour on servers of one's own: a Redis and a PostgreSQL that the two workers' homes share.

Both must have nothing of Steward's in them, so that nobody's work is touched; when the tour ends,
there is nothing again.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import anyio
from sqlalchemy import Connection, inspect

from app.cli.failures import NotDone
from app.connection import database_at, open_client
from app.settings import Settings
from app.storage.database import Database
from app.storage.migrations import every_table

SECOND_QUEUES = "ai,email,sms"  # of the second home; other jobs work on folders of the first
_PREFIXES = ("arq:*", "steward:*")


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Where they are, and what both homes sign with."""

    redis: str = field(repr=False)
    database: str = field(repr=False)
    accept: tuple[str, ...]
    key: str = field(default_factory=lambda: token_hex(32), repr=False)

    @property
    def settings(self) -> dict[str, Any]:
        """What makes Steward use them."""
        return {
            "redis": {"url": self.redis, "accept": self.accept},
            "database": {"url": self.database},
            "signing": {"keys": (self.key,)},
        }


def servers_of(settings: Settings) -> Servers:
    """Those that the settings name; raises `NotDone` when one is missing."""
    redis, database = settings.redis.url, settings.database.url
    if redis is None or database is None:
        raise NotDone("--by-url takes STEWARD_REDIS__URL and STEWARD_DATABASE__URL")
    return Servers(
        redis=redis.get_secret_value(),
        database=database.get_secret_value(),
        accept=settings.redis.accept,
    )


@asynccontextmanager
async def borrowed(settings: Settings) -> AsyncGenerator[None]:
    """The servers for as long as the block lasts; raises `NotDone` unless they are empty."""
    if await _keys(settings):
        raise NotDone("the Redis holds something of Steward's: the tour wants an empty one")
    if await _tables(settings):
        raise NotDone("the PostgreSQL has tables: the tour wants an empty database")
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(10):
            await _clear(settings)


async def _keys(settings: Settings, *, delete: bool = False) -> int:
    async with open_client(settings) as client:
        redis: Any = client.store.redis
        count = 0
        for prefix in _PREFIXES:
            async for key in redis.scan_iter(match=prefix, count=1_000):
                count += 1
                if delete:
                    await redis.delete(key)
    return count


async def _tables(settings: Settings) -> list[str]:
    def names(connection: Connection) -> list[str]:
        return inspect(connection).get_table_names()

    async with Database.open(database_at(settings)) as database, database.read() as session:
        return await (await session.connection()).run_sync(names)


async def _clear(settings: Settings) -> None:
    def drop(connection: Connection) -> None:
        every_table().drop_all(connection)
        connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")

    async with Database.open(database_at(settings)) as database, database.write() as session:
        await (await session.connection()).run_sync(drop)
    await _keys(settings, delete=True)
