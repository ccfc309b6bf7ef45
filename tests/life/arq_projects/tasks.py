"""One function, for what a client can ask of a job: later, once, its state, its result."""

import os
from time import time
from typing import Any

from arq.connections import RedisSettings


async def the_task(ctx: dict[str, Any], number: int = 42) -> tuple[int, float]:
    """Answer, and say how long after it was enqueued."""
    if number < 0:
        raise ValueError("no such number")
    return number, time() - ctx["enqueue_time"].timestamp()


class WorkerSettings:
    """Its functions may be named by where they are."""

    functions = ("tests.life.arq_projects.tasks.the_task",)
    health_check_interval = 1
    redis_settings = RedisSettings.from_dsn(os.environ["PROJECT_REDIS"])
