"""`arq`, where the wall clock is LIFE_SHIFT seconds off: `python -m tests.life.shifted`."""

import os
from datetime import UTC, datetime, timedelta

import time_machine
from arq.cli import cli

if __name__ == "__main__":
    there = datetime.now(UTC) + timedelta(seconds=float(os.environ["LIFE_SHIFT"]))
    with time_machine.travel(there, tick=True):
        cli()
