"""A project that can't start: its database is away."""

import os
from typing import Any

from arq.connections import RedisSettings


async def look(_ctx: dict[str, Any]) -> None:
    """Never called."""


async def startup(_ctx: dict[str, Any]) -> None:
    """Fail."""
    raise RuntimeError("no database")


class WorkerSettings:
    """Good in itself."""

    functions = (look,)
    on_startup = startup
    redis_settings = RedisSettings.from_dsn(os.environ["PROJECT_REDIS"])
