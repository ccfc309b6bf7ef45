"""Whether a server's disk was too slow for its append-only file, of late.

With `appendfsync everysec` a server answers before it has written, as long as the disk is busy with
what came earlier: whoever kills it then takes up to two seconds of receipted runs with it. Where
that took longer, it counts. It counts since it began; what it had counted when somebody first
looked in this hour and in the one before is noted beside the runs.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import NoPermissionError, OutOfMemoryError

from app.engine.clock import to_ms
from app.engine.doors.client import Client
from app.engine.redis import keys
from app.engine.redis.steps import answering

_HOUR = 3_600  # s
_KEPT = 3 * _HOUR  # s


async def slow_disk(client: Client) -> str:
    """A line about it, if there is something to tell; raises `Unavailable`."""
    redis = client.store.redis
    async with answering():
        info: Mapping[str, Any] = {}
        with suppress(NoPermissionError):
            info = await redis.info()
        if "aof_delayed_fsync" not in info:
            return ""
        count, hour = int(info["aof_delayed_fsync"]), await _hour(client)
        marks = [keys.slow_syncs(info["run_id"], each) for each in (hour, hour - 1)]
        with suppress(OutOfMemoryError):  # a full server is asked all the same
            await redis.set(marks[0], count, nx=True, ex=_KEPT)
        noted: Sequence[bytes | None] = await redis.mget(marks)
    grown = count - _before(noted, is_young=int(info["uptime_in_seconds"]) < _HOUR)
    return _said(grown) if grown > 0 else ""


async def _hour(client: Client) -> int:
    return int(to_ms(await client.store.server_time())) // (1_000 * _HOUR)


def _before(noted: Sequence[bytes | None], *, is_young: bool) -> int:
    """What it had counted about an hour ago: nothing, if it had not begun."""
    this_hour, last_hour = noted
    if last_hour is None and is_young:
        return 0
    return int(last_hour or this_hour or 0)


def _said(times: int) -> str:
    many = f"{times:,} times" if times > 1 else "once"
    return (
        f"its disk held the append-only file up {many} within the last two hours: if it is killed"
        " meanwhile, up to two seconds of runs are lost that are not durable; give it a quicker"
        " disk, or set appendfsync always there"
    )
