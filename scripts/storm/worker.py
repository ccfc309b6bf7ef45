"""One worker process of the storm: `python -m storm.worker RELEASE LEASE SLOTS URL [DATABASE]`.

It keeps its effects in the database, or else in Redis.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from app.engine import (
    Client,
    Codec,
    Unavailable,
    Worker,
    WorkerOptions,
    heeding_signals,
    run_process,
    seconds,
)
from app.storage.database import Database
from app.storage.effects import Effects
from storm.jobs import QUEUES, RELEASES, TIMETABLE, Context
from tests.life.ledger import Ledger
from tests.ways import at

KEY = b"a key that only storms sign with"
IN_VAIN = "this worker can't start"
OPENED = "opened"
"""What a worker says when it is at work."""
TASKS = "tasks"
"""What it writes down on SIGUSR1: the key is how many tasks there are in its loop."""

_FAILED = 1


def main(release: str, lease: str, slots: str, url: str, database: str = "") -> int:
    """Work until told to stop; 1 when Redis was away at the start."""
    redis, jobs = at(url), RELEASES[int(release)]
    options = WorkerOptions(
        concurrency=int(slots),
        lease=seconds(float(lease)),
        poll=seconds(0.5),
    )

    async def opened() -> None:
        print(OPENED, flush=True)

    async def work() -> int:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, _count_tasks)
        async with (
            Client.open(redis, Codec([KEY]), jobs=jobs) as client,
            _effects(database) as ledger,
        ):
            worker = Worker(
                client,
                redis,
                jobs=jobs,
                queues=QUEUES,
                make_context=Context,
                timetable=TIMETABLE,
                ledger=ledger,
                roles=[opened],
                options=options,
            )
            async with heeding_signals(lambda _: worker.stop()):
                try:
                    await worker.run()
                except Unavailable as error:
                    print(f"storm: {IN_VAIN}: {error}", file=sys.stderr)
                    return _FAILED
        return 0

    return run_process(work)


def _count_tasks() -> None:
    Ledger.here().write(TASKS, key=str(len(asyncio.all_tasks())))


@asynccontextmanager
async def _effects(path: str) -> AsyncGenerator[Effects | None]:
    if not path:
        yield None
        return
    async with Database.open(Path(path)) as database:
        yield Effects(database)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
