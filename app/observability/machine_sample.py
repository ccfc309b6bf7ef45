"""What a machine did in a span of time: two readings of its counters, and what lies between them.

The system counts from its start on: seconds of its processors, bytes of its disks and networks. A
single reading says how much there ever was; only the difference of two says how busy it is. Where a
counter went backwards (a disk was unplugged, a counter wrapped) the rate is zero, never negative.
"""

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic

import psutil

from app.storage.samples import MachineSample


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A machine's counters at one moment."""

    at: float
    """In seconds, of a clock that is never set."""
    busy: float
    """Seconds of all processors together."""
    idle: float
    read: int
    written: int
    received: int
    sent: int
    memory_percent: float
    disk_percent: float
    load: float
    cores: int


def read_machine(home: Path) -> Reading:
    """The counters now; blocks for some milliseconds. `home` is on the disk that counts."""
    times, disks, nets = psutil.cpu_times(), psutil.disk_io_counters(), psutil.net_io_counters()
    idle = times.idle + getattr(times, "iowait", 0.0)
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    usage = shutil.disk_usage(home)
    return Reading(
        at=monotonic(),
        busy=total - idle,
        idle=idle,
        read=disks.read_bytes if disks else 0,
        written=disks.write_bytes if disks else 0,
        received=nets.bytes_recv if nets else 0,
        sent=nets.bytes_sent if nets else 0,
        memory_percent=psutil.virtual_memory().percent,
        disk_percent=100 * usage.used / usage.total,
        load=os.getloadavg()[0],
        cores=psutil.cpu_count() or 1,
    )


def sample_between(
    before: Reading, after: Reading, *, host: str, minute: datetime
) -> MachineSample:
    """What the machine did from one reading to the other."""
    seconds = max(after.at - before.at, 1e-9)

    def rate(earlier: int, later: int) -> float:
        return round(max(later - earlier, 0) / seconds, 1)

    return MachineSample(
        host=host,
        minute=minute,
        cores=after.cores,
        cpu_percent=_busy_percent(before, after),
        memory_percent=round(after.memory_percent, 1),
        disk_percent=round(after.disk_percent, 1),
        load_per_core=round(after.load / after.cores, 2),
        read_rate=rate(before.read, after.read),
        write_rate=rate(before.written, after.written),
        receive_rate=rate(before.received, after.received),
        send_rate=rate(before.sent, after.sent),
    )


def _busy_percent(before: Reading, after: Reading) -> float:
    busy, idle = max(after.busy - before.busy, 0.0), max(after.idle - before.idle, 0.0)
    return round(100 * busy / (busy + idle), 1) if busy + idle > 0 else 0.0
