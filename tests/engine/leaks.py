"""What runs and workers must not leave in Redis."""

from collections.abc import Callable, Mapping
from typing import Any

import redis

from app.engine.redis import keys

_OF_RUNS_NOT_OVER = (keys.LEASE, keys.ATTEMPTS, keys.FAILURES, keys.JOB)
_WITH_RUNS = (keys.CRASHES, keys.SUSPECTS, keys.PLACES, keys.LINE, keys.PUT_OFF, keys.ABORT)
"""Hashes and sorted sets of runs that are not over."""
_MANY = (
    *_OF_RUNS_NOT_OVER,
    keys.QUEUE,
    keys.RESULT,
    keys.FINISHED,
    keys.UNIQUE,
    keys.DEAD_LETTER,
    keys.DEAD_GROUP,
    keys.PARKED_OF,
    keys.CURSOR,
    keys.CLAIMED,
    keys.IDLE,
    keys.OFFER,
    keys.STARTS,
    keys.BREAKER,
    keys.SLOW_SYNCS,
)
_ONE = (
    keys.DEAD,
    keys.DEAD_GROUPS,
    keys.DOUBTS,
    keys.BEGUN,
    keys.PARKED,
    keys.PARKED_KINDS,
    keys.EVENTS,
    keys.EVENTS_COUNT,
    keys.RECORDER,
    keys.RELAY,
    keys.ALIVE,
    keys.HEALTH,
)


def leaks(connection: redis.Redis) -> list[str]:
    """Every key that should not be there, in words."""
    found = sorted(key.decode(errors="replace") for key in _all(connection))
    waiting = _waiting(connection, found)
    return [said for key in found if (said := _fault(connection, key, waiting))]


def _all(connection: Any) -> list[bytes]:
    return list(connection.scan_iter(count=500))


def _waiting(connection: Any, found: list[str]) -> set[str]:
    """The ids that stand in a queue."""
    queues = (key for key in found if key.startswith(keys.QUEUE))
    members = (member for key in queues for member in connection.zrange(key, 0, -1))
    return {member.decode(errors="replace") for member in members}


def _fault(connection: Any, key: str, waiting: set[str]) -> str:
    if key in _ONE:
        return ""
    for prefixes, fault in _FAULTS.items():
        if key.startswith(prefixes):
            said = fault(connection, key, waiting)
            return f"{key}: {said}" if said else ""
    return "" if key.startswith(_MANY) else f"{key}: no key of ours, or of a worker that is gone"


def _of_runs(connection: Any, key: str, waiting: set[str]) -> str:
    is_hash = connection.type(key) == b"hash"
    found = connection.hkeys(key) if is_hash else connection.zrange(key, 0, -1)
    over = {each.decode(errors="replace") for each in found} - waiting
    return f"{min(over)} is over" if over else ""


def _of_lines(connection: Any, key: str, _waiting: set[str]) -> str:
    limits = (each.decode(errors="replace") for each in connection.zrange(key, 0, -1))
    without = [each for each in limits if not connection.exists(keys.LINE + each)]
    return f"nobody waits for {min(without)}" if without else ""


def _of_run(_connection: Any, key: str, waiting: set[str]) -> str:
    prefix = next(each for each in _OF_RUNS_NOT_OVER if key.startswith(each))
    return "" if key.removeprefix(prefix) in waiting else "its run is over"


def _of_key(connection: Any, key: str, _waiting: set[str]) -> str:
    holder, _, until = connection.get(key).decode().partition("|")
    held = until.isdigit() or connection.exists(keys.payload(holder))
    return "" if held else f"held by {holder}, which is over"


def _of_mark(connection: Any, key: str, _waiting: set[str]) -> str:
    return "" if connection.ttl(key) > 0 else "it does not expire"


def _of_book(connection: Any, key: str, waiting: set[str]) -> str:
    """A run's goes with it, or lies beside its dead letter; what all runs share is forgotten."""
    book = key.removeprefix(keys.BOOK)
    if book.startswith("/"):
        is_kept = connection.ttl(key) > 0
    else:
        is_kept = book in waiting or connection.exists(keys.dead_letter(book))
    return "" if is_kept else "its run is over"


_FAULTS: Mapping[tuple[str, ...], Callable[[Any, str, set[str]], str]] = {
    _WITH_RUNS: _of_runs,
    (keys.GATES,): _of_lines,
    _OF_RUNS_NOT_OVER: _of_run,
    (keys.UNIQUE,): _of_key,
    (keys.BROUGHT,): _of_mark,
    (keys.BOOK,): _of_book,
}
"""What may be wrong with a key that is there: told with the connection, and what waits."""
