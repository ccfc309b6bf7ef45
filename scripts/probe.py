"""What a benchmark's adapter needs: where Redis is, which run this is, and how a job says it ran.

A mark is one record of 16 bytes, appended to a file that all workers of a run share: seconds of the
monotonic clock, the job's number, the worker's number, and whether the job began or was done. One
write to a file opened for appending is whole, whoever else writes, and survives kill -9.
"""

import os
import struct
import time

REDIS_URL = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379/0")
VARIANT = os.environ.get("BENCH_VARIANT", "")
WORKER = int(os.environ.get("BENCH_WORKER", "0"))
START, DONE = 0, 1
RECORD = struct.Struct("<dIHH")

_LOG = os.open(os.environ.get("BENCH_RUNLOG", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def mark(job: int, phase: int = START) -> None:
    """Say that job number `job` has begun, or is done."""
    os.write(_LOG, RECORD.pack(time.monotonic(), job, WORKER, phase))
