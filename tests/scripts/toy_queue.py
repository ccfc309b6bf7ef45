"""The least that can take part in the benchmark: a list in Redis, and one run after the other.

Variants: honest; loses, which never runs number 7; doubles, which runs it twice.
"""

import os
import sys
import time
from collections.abc import Sequence
from typing import cast

import msgspec
import redis

from probe import DONE, REDIS_URL, VARIANT, mark

PACKAGES = ["redis"]
VARIANTS = os.environ.get("TOY_VARIANTS", "honest").split(",")
TITLES = {"honest": "toy"}
CONCURRENCY = 1

_QUEUE = "toy"
_UNLUCKY = 7


def worker_command(_workload: str) -> list[str]:
    """How to start a worker."""
    return [sys.executable, __file__]


def connect() -> "redis.Redis":
    """A client."""
    return redis.Redis.from_url(REDIS_URL)


def enqueue(client: "redis.Redis", task: str, *args: float) -> None:
    """One run."""
    enqueue_many(client, task, [args])


def enqueue_many(client: "redis.Redis", task: str, calls: Sequence[tuple[float, ...]]) -> None:
    """Many runs."""
    client.rpush(_QUEUE, *(msgspec.msgpack.encode((task, *call)) for call in calls))


def work() -> None:
    """Run one after the other until killed."""
    decoder = msgspec.msgpack.Decoder(tuple[str | float, ...])
    client = connect()
    while True:
        popped = cast("tuple[bytes, bytes] | None", client.blpop([_QUEUE], timeout=60))
        if popped:
            task, number, *seconds = decoder.decode(popped[1])
            for _ in range(_times(int(number))):
                _run(task, int(number), *map(float, seconds))


def _run(task: str | float, number: int, *seconds: float) -> None:
    mark(number)
    if task == "nap":
        time.sleep(seconds[0])
        mark(number, DONE)


def _times(number: int) -> int:
    return {"loses": 0, "doubles": 2}.get(VARIANT, 1) if number == _UNLUCKY else 1


if __name__ == "__main__":
    work()
