"""The child process that reads calendars: `python -m app.services.ics.child`.

It is told its limits and files on stdin, and writes each event to stdout as soon as it has it, so
that one that ends the process takes no other with it. The limits of the process are for what the
timer of `FileReader` can't interrupt. When whoever started it is gone, stdin ends, and so does it.
"""

import os
import resource
import sys
import threading
import warnings
from contextlib import suppress
from datetime import timedelta
from time import process_time

from icalendar.timezone import tzp

from app.services.ics.file_reader import FileReader, Timer
from app.services.ics.frames import Order, packed, read_order

_SPARE = 2  # seconds of CPU beyond a file's limit, before the process is ended


def main() -> None:
    """Read what is ordered and end; exit code 0 says that every file was read to its end."""
    warnings.simplefilter("ignore")  # about guessed time zones
    order = read_order(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit_memory(order.limits.memory)
    timer = Timer()
    for data in order.files:
        _limit_cpu(order.limits.document)
        tzp.use_default()  # forgets the zones that the last file made up
        _answer(order, data, timer)


def _answer(order: Order, data: bytes, timer: Timer) -> None:
    for frame in FileReader(order.view, order.limits, timer).read(data):
        sys.stdout.buffer.write(packed(frame))
        sys.stdout.buffer.flush()


def _limit_memory(size: int) -> None:
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_cpu(more: timedelta) -> None:
    soft = int(process_time() + more.total_seconds()) + _SPARE
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _end_with_parent() -> None:
    """Wait for the pipe's end, not through `sys.stdin`: its lock would hold up our own exit."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main()
