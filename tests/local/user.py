"""A process that uses a home's Valkey until its input ends: `python -m tests.local.user HOME`."""

import sys
from pathlib import Path

import anyio

from app.local.valkey import open_valkey


async def use(home: Path) -> None:
    """Say `ready` on a line of its own, then stay until whoever started this hangs up."""
    async with open_valkey(home):
        print("ready", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    anyio.run(use, Path(sys.argv[1]))
