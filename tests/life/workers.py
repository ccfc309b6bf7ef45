"""A settings class of one's own, as an application that has installed Steward would write it.

arq tests.life.workers.WorkerSettings
"""

import os
from asyncio import current_task
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.context import Context, redis_at
from app.engine import Worker, install
from app.jobs import JOBS
from app.observability.logging import configure_logging
from app.settings import read_settings
from app.worker import open_worker
from tests.life import jobs, releases
from tests.life.ledger import Ledger

TOGETHER = "LIFE_TOGETHER"
"""When set, a worker that has opened everything waits for the gate `together` to begin."""

settings = read_settings()


@asynccontextmanager
async def _open(burst: bool) -> AsyncGenerator[Worker[Context]]:
    configure_logging(settings.log.level)
    known = {**JOBS, **jobs.JOBS, **releases.JOBS[os.environ.get(releases.VARIABLE, "")]}
    async with open_worker(settings, burst=burst, jobs=known, timetable=jobs.YEARLY) as worker:
        _write("opened")
        if TOGETHER in os.environ:
            await Ledger.here().through_gate("together")
        yield worker
    _write("closed")


def _write(what: str) -> None:
    Ledger.here().write(what, run=str(id(current_task())))


class WorkerSettings:
    """Read by arq's command."""

    redis_settings = redis_at(settings)
    open_worker = staticmethod(_open)


install()
