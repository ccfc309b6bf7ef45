"""Functions with a session that is opened at startup; nothing but arq's defaults."""

import os
from typing import Any

from arq.connections import RedisSettings


class Session:
    """Stands for a client of the web."""

    async def get(self, url: str) -> str:
        """A page as long as its address."""
        return f"<p>{url}</p>"

    async def aclose(self) -> None:
        """Say goodbye."""
        print("the session is closed")


async def download(ctx: dict[str, Any], url: str) -> int:
    """How long a page is."""
    return len(await ctx["session"].get(url))


async def startup(ctx: dict[str, Any]) -> None:
    """Open what all jobs share."""
    ctx["session"] = Session()


async def shutdown(ctx: dict[str, Any]) -> None:
    """Close it again."""
    await ctx["session"].aclose()


class WorkerSettings:
    """As the `arq` command reads it."""

    functions = (download,)
    on_startup = startup
    on_shutdown = shutdown
    redis_settings = RedisSettings.from_dsn(os.environ["PROJECT_REDIS"])
