"""Steward's recorder in a process of its own, until told to stop: `recording URL FILE`.

It is `steward recorder` on a database of the benchmark's own.
"""

import sys
from pathlib import Path

import anyio
from arq.connections import RedisSettings

from app.engine import Client, Codec, Events, heeding_signals
from app.observability.recorder import Recorder
from app.storage.database import Database
from app.storage.runs import Runs

_CODEC = Codec([b"any key: the stream of events is not sealed"])


async def record(url: str, file: Path) -> None:
    """Read the stream of events into the database."""
    async with (
        Client.open(RedisSettings.from_dsn(url), _CODEC) as client,
        Database.open(file) as database,
    ):
        await database.migrate()
        with anyio.CancelScope() as scope:
            async with heeding_signals(lambda _: scope.cancel()):
                await Recorder(Events(client.store), Runs(database)).run()


if __name__ == "__main__":
    anyio.run(record, sys.argv[1], Path(sys.argv[2]), backend_options={"use_uvloop": True})
