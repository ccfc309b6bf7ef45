"""All that Redis holds at one moment, read in one step and told apart by the keys' names."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from app.engine.doors.events import Event
from app.engine.redis import keys

READ = """
local t = redis.call('TIME')
local found = {t[1], t[2]}
local how = {
  string = function(key) return redis.call('GET', key) end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
  set = function(key) return redis.call('SMEMBERS', key) end,
  hash = function(key) return redis.call('HGETALL', key) end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  stream = function(key) return redis.call('XRANGE', key, '-', '+') end,
}
for _, key in ipairs(redis.call('KEYS', '*')) do
  found[#found + 1] = key
  found[#found + 1] = how[redis.call('TYPE', key)['ok']](key)
end
return found
"""

_BATCH = msgspec.msgpack.Decoder(list[Event])


@dataclass(kw_only=True)
class Picture:
    """Each kind of key by what its name ends in."""

    server_ms: float = 0.0
    queues: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    payloads: dict[str, bytes] = field(default_factory=dict[str, bytes])
    leases: dict[str, str] = field(default_factory=dict[str, str])
    attempts: dict[str, int] = field(default_factory=dict[str, int])
    failures: dict[str, int] = field(default_factory=dict[str, int])
    results: dict[str, bytes] = field(default_factory=dict[str, bytes])
    markers: dict[str, str] = field(default_factory=dict[str, str])
    held: dict[str, str] = field(default_factory=dict[str, str])
    letters: dict[str, dict[str, bytes]] = field(default_factory=dict[str, dict[str, bytes]])
    dead: set[str] = field(default_factory=set[str])
    groups: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    causes: set[str] = field(default_factory=set[str])
    asked: set[str] = field(default_factory=set[str])
    parked: set[str] = field(default_factory=set[str])
    crashed: set[str] = field(default_factory=set[str])
    workers: set[str] = field(default_factory=set[str])
    books: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    doubts: set[str] = field(default_factory=set[str])
    begun: set[str] = field(default_factory=set[str])
    marks: set[str] = field(default_factory=set[str])
    relay: str = ""
    offers: dict[str, str] = field(default_factory=dict[str, str])
    kinds: set[str] = field(default_factory=set[str])
    of_kind: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    put_off: set[str] = field(default_factory=set[str])
    lines: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    gates: dict[str, float] = field(default_factory=dict[str, float])
    places: dict[str, list[tuple[str, str]]] = field(
        default_factory=dict[str, list[tuple[str, str]]]
    )
    starts: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    breakers: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    cursors: dict[str, str] = field(default_factory=dict[str, str])
    events: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    events_count: int = 0
    strangers: list[str] = field(default_factory=list[str])

    @property
    def waiting(self) -> dict[str, float]:
        """Every run in a queue, and its score."""
        return {id: due for members in self.queues.values() for id, due in members.items()}


def read(found: list[Any]) -> Picture:
    """What `READ` answered."""
    picture = Picture(server_ms=int(found[0]) * 1000 + int(found[1]) / 1000)
    for key, value in zip(found[2::2], found[3::2], strict=True):
        _place(picture, key.decode(), value)
    return picture


def _place(picture: Picture, key: str, value: Any) -> None:
    if key in _ALONE:
        _ALONE[key](picture, value)
        return
    for prefix, put in _BY_NAME:
        if key.startswith(prefix):
            put(picture, key.removeprefix(prefix), value)
            return
    picture.strangers.append(key)


def _scores(value: list[bytes]) -> dict[str, float]:
    return {id.decode(): float(due) for id, due in _pairs(value)}


def _texts(value: list[bytes]) -> list[tuple[str, str]]:
    return [(name.decode(), each.decode()) for name, each in _pairs(value)]


def _names(value: list[bytes]) -> list[str]:
    return [name.decode() for name, _ in _pairs(value)]


def _pairs(value: list[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(value[::2], value[1::2], strict=True)


def _put_events(picture: Picture, entries: list[Any]) -> None:
    for _, fields in entries:
        batch = dict(_pairs(fields))
        picture.events.update((e.run_id, e.ending) for e in _BATCH.decode(batch[b"events"]))


def _put_count(picture: Picture, value: bytes) -> None:
    picture.events_count = int(value)


_ALONE: dict[str, Callable[[Picture, Any], None]] = {
    keys.ABORT: lambda picture, value: picture.asked.update(_scores(value)),
    keys.DEAD: lambda picture, value: picture.dead.update(_scores(value)),
    keys.DEAD_GROUPS: lambda picture, value: picture.causes.update(_names(value)),
    keys.CRASHES: lambda picture, value: picture.crashed.update(_names(value)),
    keys.SUSPECTS: lambda picture, value: picture.crashed.update(_names(value)),
    keys.PARKED_KINDS: lambda picture, value: picture.kinds.update(map(bytes.decode, value)),
    keys.PARKED: lambda picture, value: picture.parked.update(_names(value)),
    keys.DOUBTS: lambda picture, value: picture.doubts.update(_names(value)),
    keys.PUT_OFF: lambda picture, value: picture.put_off.update(_names(value)),
    keys.GATES: lambda picture, value: picture.gates.update(_scores(value)),
    keys.BEGUN: lambda picture, value: picture.begun.update(_names(value)),
    keys.RELAY: lambda picture, value: setattr(picture, "relay", value.decode()),
    keys.EVENTS: _put_events,
    keys.EVENTS_COUNT: _put_count,
}


def _letter(value: list[bytes]) -> dict[str, bytes]:
    return {name.decode(): each for name, each in _pairs(value)}


def _lines(value: list[bytes]) -> dict[str, str]:
    """Of a book: how each line begins, its state and whose it is."""
    return {
        name.decode(): b"|".join(each.split(b"|", 2)[:2]).decode() for name, each in _pairs(value)
    }


_BY_NAME: list[tuple[str, Callable[[Picture, str, Any], None]]] = [
    (keys.QUEUE, lambda p, id, v: p.queues.update({id: _scores(v)})),
    (keys.JOB, lambda p, id, v: p.payloads.update({id: v})),
    (keys.LEASE, lambda p, id, v: p.leases.update({id: v.decode()})),
    (keys.ATTEMPTS, lambda p, id, v: p.attempts.update({id: int(v)})),
    (keys.FAILURES, lambda p, id, v: p.failures.update({id: len(v)})),
    (keys.RESULT, lambda p, id, v: p.results.update({id: v})),
    (keys.FINISHED, lambda p, id, v: p.markers.update({id: v.decode()})),
    (keys.UNIQUE, lambda p, id, v: p.held.update({id: v.decode()})),
    (keys.DEAD_GROUP, lambda p, id, v: p.groups.update({id: set(_scores(v))})),
    (keys.DEAD_LETTER, lambda p, id, v: p.letters.update({id: _letter(v)})),
    (keys.BOOK, lambda p, id, v: p.books.update({id: _lines(v)})),
    (keys.OFFER, lambda p, id, v: p.offers.update({id: "taken" if v == b"taken" else "open"})),
    (keys.IDLE, lambda _picture, _id, _value: None),  # a hint: who is in it may be gone
    (keys.PARKED_OF, lambda p, id, v: p.of_kind.update({id: {each.decode() for each in v}})),
    (keys.LINE, lambda p, id, v: p.lines.update({id: _scores(v)})),
    (keys.PLACES, lambda p, id, v: p.places.update({id: _texts(v)})),
    (keys.STARTS, lambda p, id, v: p.starts.update({id: [float(each) for each in v]})),
    (keys.BREAKER, lambda p, id, v: p.breakers.update({id: dict(_texts(v))})),
    (keys.BROUGHT, lambda p, id, _: p.marks.add(id)),
    (keys.WORKER, lambda p, id, _: p.workers.add(id)),
    (keys.CURSOR, lambda p, id, v: p.cursors.update({id: v.decode()})),
    (keys.CLAIMED, lambda _picture, _id, _value: None),  # it goes by itself, in half a second
]
