"""One process that asks: `python -m storm.producer SEED COUNT URL`. It writes each receipt down.

It enqueues so many runs, cancels some, has dead letters run again, and lets a schedule fire.
"""

import sys
from random import Random

from app.engine import Client, Codec, run_process
from storm.meddler import Meddler, cancel, regretted
from storm.mix import calls
from storm.worker import KEY
from tests.life.ledger import Ledger
from tests.ways import at

RECEIPT = "receipt"


def main(seed: str, count: str, url: str) -> int:
    """Ask for all of it, once."""
    chance = Random(seed)

    async def ask() -> int:
        async with Client.open(at(url), Codec([KEY])) as client:
            for call in calls(chance, int(count)):
                handle = await client.enqueue_call(call)
                Ledger.here().write(RECEIPT, run=handle.id)
                await cancel(regretted([call], [handle]), chance)
            meddler = Meddler(client, chance)
            await meddler.redrive()
            await meddler.tick()
        return 0

    return run_process(ask)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
