"""All that is tried at length: faults, a whole day; then the suite by other ways to a server."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.servers import can_tls
from tests.ways import Way

_ROOT = Path(__file__).parents[2]
_LONGEST = 3600  # s that one of them may take
_SUITE = ("tests/engine", "tests/life")


def survived(seed: int) -> bool:
    """Whether all of it is, with the same seed.

    The suite is run as a user who may do no more than README says, and once for each way.
    """
    same = f"--seed={seed}"
    passed = [
        _tested("-m=case or tier", "--tier=T2", same),
        _tested("--tier=T2", "tests/life/test_day.py", same),
        _tested("--rights", *_SUITE, same),
    ]
    ways = [way for way in Way if _is_here(way)]
    failed = [way for way in ways if not _tested(f"--way={way}", *_SUITE, same)]
    print(said(ways, failed), flush=True)
    return all(passed) and not failed


def soaked(minutes: float, seed: int) -> bool:
    """Whether a worker is as large as before after so many minutes of every kind of run."""
    words = ("tests/life/test_soak.py", "--tier=T2", f"--soak={minutes}", f"--seed={seed}", "-n0")
    return _tested(*words, longest=60 * minutes + _LONGEST)


def said(ways: Sequence[Way], failed: Sequence[Way]) -> str:
    """The line of the case that all ways are."""
    missing = [way for way in Way if way not in ways]
    untried = f", not here: {', '.join(missing)}" if missing else ""
    steward = (
        f"FAILED by {', '.join(failed)}"
        if failed
        else "all pass, and leave no key outside arq:* and steward:*"
    )
    return (
        f"case 26: the T1 tests of the engine and its life by {', '.join(ways)}{untried}"
        f" | arq: not tried | Steward: {steward}"
    )


def _is_here(way: Way) -> bool:
    """Whether this machine has what it takes."""
    redis = shutil.which("redis-server")
    if not way.takes_redis:
        return True
    return redis is not None and (way is not Way.TLS or can_tls(Path(redis)))


def _tested(*words: str, longest: float = _LONGEST) -> bool:
    unhurried = ["-o", "faulthandler_timeout=0"]  # many take longer than a test of the suite may
    command = [sys.executable, "-m", "pytest", "-n2", "--dist=loadfile", *unhurried, *words]
    return not subprocess.run(command, cwd=_ROOT, check=False, timeout=longest).returncode
