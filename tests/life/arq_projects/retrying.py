"""A job that asks to be run again, each time a little later."""

import os
from typing import Any

from arq import Retry
from arq.connections import RedisSettings


async def download(ctx: dict[str, Any], failures: int) -> str:
    """Fail so often, as a web server that is too busy."""
    tries: int = ctx["job_try"]
    if tries <= failures:
        raise Retry(defer=tries * 0.1)
    return f"done at try {tries}"


class WorkerSettings:
    """arq gives a job five tries, unless it is told otherwise."""

    functions = (download,)
    max_tries = 3
    redis_settings = RedisSettings.from_dsn(os.environ["PROJECT_REDIS"])
