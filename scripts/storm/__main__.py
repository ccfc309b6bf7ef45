"""scripts/chaos: a storm, then every case of a fault, then what came of both."""

import logging
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType
from typing import cast

import anyio

from app.local.errors import LocalError
from benchmark import family
from storm import cases, table
from storm.options import options
from storm.plan import Plan
from storm.storm import Passing, Stuck, passed

_INTERRUPTED = 130
_SAID_EVERY = 5.0  # s
_EXPECTED = (LocalError, OSError, Stuck, subprocess.TimeoutExpired)


def main(arguments: Sequence[str]) -> int:
    """Do what the command line wants; 1 when a promise was broken."""
    signal.signal(signal.SIGTERM, _leave)
    logging.basicConfig(level=logging.CRITICAL)  # what is broken on purpose need not be told
    wanted = options(arguments)
    if wanted.soak:
        return int(not cases.soaked(wanted.soak, wanted.plan.seed))
    try:
        said, is_good = anyio.run(_storm, wanted.plan, backend_options={"use_uvloop": True})
        if wanted.with_cases:
            is_good = cases.survived(wanted.plan.seed) and is_good
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (*_EXPECTED, ExceptionGroup) as error:
        print(f"steward: scripts/chaos: {_said(error)}", file=sys.stderr)
        return 1
    finally:
        family.kill_all_of_mine()
    print(said)
    return int(not is_good)


async def _storm(plan: Plan) -> tuple[str, bool]:
    """What came of it, and whether it is good."""
    async with passed(plan, _Progress()) as verdict:
        return table.whole(verdict), not verdict.wrong


class _Progress:
    """Says how it stands, now and then."""

    def __init__(self) -> None:
        self._said_at = -_SAID_EVERY

    def __call__(self, passing: Passing) -> None:
        if passing.seconds - self._said_at >= _SAID_EVERY:
            self._said_at = passing.seconds
            print(table.standing(passing), flush=True)


def _said(error: BaseException) -> str:
    """What it is about, of a task group's error what came first; raises what nobody expects."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    if not isinstance(error, _EXPECTED):
        raise error
    return str(error) or f"it took too long ({type(error).__name__})"


def _leave(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
