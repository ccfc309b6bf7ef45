"""`arq`, where the wall clock is LIFE_SHIFT seconds off: `python -m tests.life.shifted`.

SIGUSR1 moves the clock by LIFE_STEP seconds more.
"""

import os
import signal
from datetime import UTC, datetime, timedelta

import time_machine
from arq.cli import cli

from tests.life.ledger import Ledger


def there() -> datetime:
    """What the wall clock says here."""
    return datetime.now(UTC) + timedelta(seconds=float(os.environ["LIFE_SHIFT"]))


if __name__ == "__main__":
    with time_machine.travel(there(), tick=True) as clock:

        def jump(*_signal: object) -> None:
            clock.shift(float(os.environ["LIFE_STEP"]))
            Ledger.here().write("jumped")

        signal.signal(signal.SIGUSR1, jump)
        cli()
