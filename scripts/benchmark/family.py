"""A process with all its descendants: the CPU time it took, the memory it holds, its end."""

from contextlib import suppress

import psutil

_MEGABYTE = 1024**2
_ENDING = 5.0  # s until a killed process is gone


def cpu_seconds(pid: int) -> float:
    """User and system time of the living, and of those who ended and were waited for."""
    total = 0.0
    for each in _family(pid):
        with suppress(psutil.Error):
            times = each.cpu_times()
            total += times.user + times.system
            total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def megabytes(pid: int) -> float:
    """Memory, with what they share counted once; as near to that as the system tells."""
    total = 0
    for each in _family(pid):
        with suppress(psutil.Error):
            total += _held(each)
    return total / _MEGABYTE


def kill(pid: int) -> None:
    """End them all at once, as a crash would."""
    for each in _family(pid):
        with suppress(psutil.Error):
            each.kill()


def kill_all_of_mine() -> None:
    """End whatever this process started and, cut short by a signal, lost sight of."""
    mine = psutil.Process().children(recursive=True)
    for each in mine:
        with suppress(psutil.Error):
            each.kill()
    psutil.wait_procs(mine, timeout=_ENDING)


def _held(process: psutil.Process) -> int:
    try:
        found = process.memory_full_info()
    except psutil.AccessDenied:
        return process.memory_info().rss
    return getattr(found, "pss", 0) or found.uss


def _family(pid: int) -> list[psutil.Process]:
    try:
        head = psutil.Process(pid)
        return [head, *head.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
