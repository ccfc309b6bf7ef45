"""What runs and workers must not leave in Redis."""

from typing import Any

import redis

from app.engine.redis import keys

_OF_RUNS_NOT_OVER = (keys.LEASE, keys.ATTEMPTS, keys.FAILURES, keys.JOB)
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
    if key in (keys.CRASHES, keys.SUSPECTS):
        is_hash = key == keys.CRASHES
        found = connection.hkeys(key) if is_hash else connection.zrange(key, 0, -1)
        over = {each.decode(errors="replace") for each in found} - waiting
        return f"{key}: {min(over)} is over" if over else ""
    if key.startswith(_OF_RUNS_NOT_OVER):
        prefix = next(each for each in _OF_RUNS_NOT_OVER if key.startswith(each))
        return "" if key.removeprefix(prefix) in waiting else f"{key}: its run is over"
    if key.startswith(keys.UNIQUE):
        holder, _, until = connection.get(key).decode().partition("|")
        held = until.isdigit() or connection.exists(keys.payload(holder))
        return "" if held else f"{key}: held by {holder}, which is over"
    if key.startswith(keys.BOOK):
        return _fault_of_book(connection, key.removeprefix(keys.BOOK), waiting)
    return "" if key.startswith(_MANY) else f"{key}: no key of ours, or of a worker that is gone"


def _fault_of_book(connection: Any, book: str, waiting: set[str]) -> str:
    """A run's goes with it, or lies beside its dead letter; what all runs share is forgotten."""
    if book.startswith("/"):
        is_kept = connection.ttl(keys.book(book)) > 0
    else:
        is_kept = book in waiting or connection.exists(keys.dead_letter(book))
    return "" if is_kept else f"{keys.book(book)}: its run is over"
