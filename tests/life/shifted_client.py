"""An application that enqueues, where the wall clock is LIFE_SHIFT seconds off.

python -m tests.life.shifted_client <runs> <delay in seconds>
"""

import os
import sys

import anyio
import time_machine

from app.context import open_client
from app.engine import seconds
from app.settings import read_settings
from tests.life import jobs
from tests.life.ledger import Ledger
from tests.life.shifted import there


async def enqueue(runs: int, delay: float) -> None:
    """Enqueue so many, and say right before each that it is asked for."""
    async with open_client(read_settings(), jobs=jobs.JOBS) as client:
        for number in range(runs):
            run_id = f"{os.environ['LIFE_SHIFT']}-{number}"
            Ledger.here().write("asked", run=run_id)
            await client.enqueue(jobs.ask.with_options(id=run_id, delay=seconds(delay)))


if __name__ == "__main__":
    with time_machine.travel(there(), tick=True):
        anyio.run(enqueue, int(sys.argv[1]), float(sys.argv[2]))
