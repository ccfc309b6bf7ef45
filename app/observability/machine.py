"""The machine that Steward runs on: its disk, memory and processors."""

import shutil
from pathlib import Path

import anyio.to_thread
import psutil

from app.services.health_report import Part, Thresholds, graded

_GIGABYTE = 1024**3
_SAMPLE = 0.2  # s over which the processors are watched


async def disk(home: Path, limits: Thresholds) -> Part:
    """The disk that the home is on; its share in use, judged by what is free."""
    usage = await anyio.to_thread.run_sync(shutil.disk_usage, home)
    level = graded(-usage.free, degraded=-limits.disk, unhealthy=-limits.disk_full)
    return Part(
        name="disk",
        level=level,
        measured=round(100 * usage.used / usage.total, 1),
        unit="%",
        line=f"{usage.free / _GIGABYTE:.1f} GB free of {usage.total / _GIGABYTE:.1f}",
    )


async def memory(limits: Thresholds) -> Part:
    """The memory in use that could not be had at once."""
    found = await anyio.to_thread.run_sync(psutil.virtual_memory)
    return Part(
        name="memory",
        level=graded(found.percent, degraded=limits.memory, unhealthy=limits.memory_full),
        measured=found.percent,
        unit="%",
        line=f"{found.available / _GIGABYTE:.1f} GB free of {found.total / _GIGABYTE:.1f}",
    )


async def cpu(limits: Thresholds) -> Part:
    """How busy all processors together are."""
    busy = await anyio.to_thread.run_sync(psutil.cpu_percent, _SAMPLE)
    return Part(
        name="cpu",
        level=graded(busy, degraded=limits.cpu, unhealthy=None),
        measured=busy,
        unit="%",
        line=f"{busy:.0f} % busy",
    )
