"""What no queue in Python could beat here, in a process of its own; `floor URL N` prints JSON.

The same run as everywhere: it leaves its mark. First as nothing but tasks; then with the least of a
queue around them: a list in Redis, of which 100 at a time are leased in one call and acknowledged
in another, without retries, limits, results or signatures.
"""

import asyncio
import json
import sys
import time
from typing import Any

import msgspec
import redis.asyncio
import uvloop

from probe import mark

AT_ONCE = 100
_QUEUE, _LEASES = "queue", "leases"
_FILL = 10_000  # runs in one command
_CLAIM = """
local runs = redis.call('LPOP', KEYS[1], ARGV[1])
if not runs then return {} end
local leases = {}
for i, run in ipairs(runs) do
  leases[2 * i - 1] = ARGV[2]
  leases[2 * i] = run
end
redis.call('ZADD', KEYS[2], unpack(leases))
return runs
"""

Payload = tuple[str, str, tuple[int]]


async def noop(number: int) -> None:
    """Say that it ran."""
    mark(number)


async def tasks(n: int) -> float:
    """Runs in a second that are nothing but tasks."""
    started = time.perf_counter()
    for first in range(0, n, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, n))
        await asyncio.gather(*[asyncio.create_task(noop(each)) for each in numbers])
    return n / (time.perf_counter() - started)


async def popped(url: str, n: int) -> float:
    """Runs in a second that come from a list in Redis and are acknowledged."""
    decoder = msgspec.msgpack.Decoder(Payload)
    async with redis.asyncio.Redis.from_url(url) as server:
        await _fill(server, n)
        claim = server.register_script(_CLAIM)
        started = time.perf_counter()
        while found := await _sent(claim(keys=[_QUEUE, _LEASES], args=[AT_ONCE, 1])):
            numbers = [decoder.decode(each)[2][0] for each in found]
            await asyncio.gather(*[asyncio.create_task(noop(each)) for each in numbers])
            await _sent(server.zrem(_LEASES, *found))
        return n / (time.perf_counter() - started)


async def _fill(server: "redis.asyncio.Redis", n: int) -> None:
    payloads = [
        msgspec.msgpack.encode((f"{number:032x}", "noop", (number,))) for number in range(n)
    ]
    for first in range(0, n, _FILL):
        await _sent(server.rpush(_QUEUE, *payloads[first : first + _FILL]))


async def _sent(answer: Any) -> Any:
    """What the server says; redis-py leaves open whether it is awaited, and its type."""
    return await answer


def marks(n: int) -> float:
    """Marks in a second, and nothing else."""
    started = time.perf_counter()
    for number in range(n):
        mark(number)
    return n / (time.perf_counter() - started)


def main() -> None:
    """Measure all three."""
    url, n = sys.argv[1], int(sys.argv[2])
    rates = [uvloop.run(tasks(n)), uvloop.run(popped(url, n)), marks(n)]
    print(json.dumps(rates), flush=True)


if __name__ == "__main__":
    main()
