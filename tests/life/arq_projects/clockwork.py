"""Cron jobs: one at every second, one at startup, one that will hardly come."""

import os
from typing import Any

from arq import cron
from arq.connections import RedisSettings


async def regular(ctx: dict[str, Any], *_args: Any, **_kwargs: Any) -> str:
    """Say which one this is."""
    print("regular", ctx["job_id"], flush=True)
    return str(ctx["job_id"])


async def rare(ctx: dict[str, Any], *_args: Any, **_kwargs: Any) -> None:
    """Say so."""
    print("rare", ctx["job_id"], flush=True)


class WorkerSettings:
    """No function but these."""

    cron_jobs = (
        cron(regular, second=set(range(60)), keep_result=60),
        cron(rare, name="startup", month=1, day=1, hour=0, minute=0, run_at_startup=True),
        cron(rare, name="leap", month=2, day=29, weekday="sun", hour={3, 4}, minute=7),
    )
    redis_settings = RedisSettings.from_dsn(os.environ["PROJECT_REDIS"])
