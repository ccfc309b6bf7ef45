"""Worker processes under a supervisor: when one is needed, what it starts, how it goes on."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.failures import FAILED
from app.cli.lifetime import Stopper, serve
from app.cli.run_lines import Lines

if TYPE_CHECKING:
    from app.local.supervisor import Supervisor
    from app.settings import Settings

_PROGRAM = Path(__file__).parents[2]  # the folder that `app` is in
_WINDING_DOWN = 20  # s beyond the grace: to clean up, to commit, to close


def needs_supervisor(settings: "Settings") -> bool:
    """Whether one process does not do, or not for ever."""
    worker = settings.worker
    return worker.processes > 1 or worker.max_runs > 0 or worker.max_memory > 0


def supervise(settings: "Settings", words: Sequence[str], *, is_finite: bool, as_json: bool) -> int:
    """Keep worker processes alive until told to stop; returns the exit code."""
    lines = Lines(as_json=as_json)
    return serve(partial(_supervise, settings, words, lines, is_finite=is_finite))


async def _supervise(
    settings: "Settings", words: Sequence[str], lines: Lines, stopper: Stopper, *, is_finite: bool
) -> None:
    from app.connection import open_client
    from app.engine import Unavailable, refuse_unfit

    supervisor = make_supervisor(settings, words, is_finite=is_finite)
    async with open_client(settings) as client:  # a Valkey of our own stays, while they come and go
        with suppress(Unavailable):  # the processes wait for it
            await refuse_unfit(client, accepted=settings.redis.accept)
        await keep_alive(supervisor, settings, lines, stopper)


async def keep_alive(
    supervisor: "Supervisor", settings: "Settings", lines: Lines, stopper: Stopper
) -> None:
    """Have as many processes as the settings want, until told to stop."""
    count = settings.worker.processes
    lines.add(
        {"event": "supervising", "processes": count},
        f"Worker processes kept alive: {count}. Ctrl-C stops them in order.",
    )
    with lines.printing(), stopper.calling(supervisor.stop):
        if not await supervisor.run():
            stopper.code = FAILED


def make_supervisor(
    settings: "Settings",
    words: Sequence[str] = (),
    *,
    is_finite: bool = False,
    grace: timedelta | None = None,
) -> "Supervisor":
    """Of as many `steward worker` as the settings want, with these words.

    `grace` is what runs have to finish, where that is longer than the settings say.
    """
    from app.local.supervisor import Supervisor

    longest = max(settings.worker.grace, grace or settings.worker.grace)
    return Supervisor(
        [sys.executable, "-P", "-m", "app", "worker", *words, "--supervised"],
        count=settings.worker.processes,
        environment=_environment(),
        patience=longest.total_seconds() + _WINDING_DOWN,
        is_finite=is_finite,
    )


def _environment() -> dict[str, str]:
    """Ours, and the way to `app`: -P keeps an `app` in the working directory from being taken."""
    path = os.pathsep.join(filter(None, (str(_PROGRAM), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}
