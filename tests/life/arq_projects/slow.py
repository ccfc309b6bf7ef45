"""A job that takes its time: it may be cut short by a shutdown, or aborted by a client."""

import asyncio
import os
from typing import Any

from arq.connections import RedisSettings


async def work(_ctx: dict[str, Any], seconds: float) -> str:
    """Be at it for so long."""
    print("at work", flush=True)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        print("cut short", flush=True)
        raise
    return "done"


class WorkerSettings:
    """Jobs may be aborted, if the settings say so."""

    functions = (work,)
    allow_abort_jobs = True
    redis_settings = RedisSettings.from_dsn(os.environ["PROJECT_REDIS"])
