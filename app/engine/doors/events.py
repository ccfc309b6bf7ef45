"""What happened to runs: a stream that whoever keeps the history reads.

Every commit appends one entry with the events of its batch, an array, numbered without holes. The
stream is bounded; a reader that falls too far behind sees the next number jump, and knows how much
it missed. Reading is by a consumer group with one consumer at a time: it holds a short lease, and
what it read but did not confirm is given to its successor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import msgspec
from redis.exceptions import ResponseError

from app.engine import wire
from app.engine.clock import from_ms
from app.engine.outcome import Ending
from app.engine.redis import keys
from app.engine.redis.line import ANSWER
from app.engine.redis.steps import answering
from app.engine.redis.store import Store

_GROUP = "history"
_CONSUMER = "recorder"
_LONGEST_WAIT = timedelta(seconds=ANSWER / 2)  # a connection that says nothing for longer is lost


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """One attempt of one run is over."""

    run_id: str
    job: str
    queue: str
    ending: Ending
    attempt: int
    enqueued_at: datetime
    started_at: datetime
    ended_at: datetime
    worker: str
    due_at: datetime | None = None
    """Unless it was due when it was enqueued."""
    owner: str = ""
    parent: str = ""
    error_kind: str = ""
    error_message: str = ""


class Event(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """The same on the wire, its times in ms."""

    run_id: str
    job: str
    queue: str
    ending: str
    attempt: int
    enqueued: int
    started: int
    ended: int
    worker: str = ""
    owner: str = ""
    parent: str = ""
    kind: str = ""
    message: str = ""
    due: int = 0

    def pack(self, error: BaseException | None = None) -> bytes:
        """As the scripts append it, with what went wrong."""
        if error is not None:
            self.kind, self.message = wire.kind_of(error), wire.message_of(error)
        return wire.pack(self)


_EVENT = msgspec.msgpack.Decoder(Event)
_EVENTS = msgspec.msgpack.Decoder(list[msgspec.Raw])


def _unpack_event(data: msgspec.Raw) -> RunEvent | None:
    """The event, or None for what isn't one: anybody who can write to Redis can write here."""
    try:
        event = _EVENT.decode(data)
        return RunEvent(
            run_id=event.run_id,
            job=event.job,
            queue=event.queue,
            ending=Ending(event.ending),
            attempt=event.attempt,
            enqueued_at=from_ms(event.enqueued),
            started_at=from_ms(event.started),
            ended_at=from_ms(event.ended),
            worker=event.worker,
            due_at=from_ms(event.due) if event.due else None,
            owner=event.owner,
            parent=event.parent,
            error_kind=event.kind,
            error_message=event.message,
        )
    except (*wire.UNREADABLE, ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One entry of the stream; its events are numbered `first` to `last`."""

    entry_id: str
    first: int
    last: int
    events: tuple[RunEvent, ...]


class Events:
    """The reading end of the stream."""

    def __init__(self, store: Store) -> None:
        """Reads over the store's connections."""
        self._store = store
        self._redis = store.redis

    async def join(self) -> None:
        """Create the consumer group, from the stream's beginning; safe to repeat."""
        async with answering():
            try:
                await self._redis.xgroup_create(keys.EVENTS, _GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def hold(self, holder: str, lease: timedelta) -> bool:
        """Become, or stay, the one reader for `lease`; False while another is."""
        return await self._store.hold(keys.RECORDER, holder, lease)

    async def let_go(self, holder: str) -> None:
        """Let another become the reader at once."""
        await self._store.hold(keys.RECORDER, holder, timedelta(0))

    async def unconfirmed(self, *, most: int = 100) -> list[Batch]:
        """What was read before but never confirmed, oldest first."""
        return await self._read("0", most, None)

    async def read(self, *, within: timedelta, most: int = 100) -> list[Batch]:
        """The next batches; waits up to `within` for the first, and a second at most."""
        wait = min(within, _LONGEST_WAIT)
        return await self._read(">", most, max(1, round(wait.total_seconds() * 1000)))

    async def confirm(self, entry_ids: Sequence[str]) -> None:
        """These batches are safe elsewhere; safe to repeat."""
        if entry_ids:
            async with answering():
                await self._redis.xack(keys.EVENTS, _GROUP, *entry_ids)

    async def _read(self, start: str, most: int, block: int | None) -> list[Batch]:
        async with answering():
            answer = await self._redis.xreadgroup(
                _GROUP, _CONSUMER, {keys.EVENTS: start}, count=most, block=block
            )
        entries = cast(
            "Sequence[tuple[bytes, Mapping[bytes, bytes]]]", answer[0][1] if answer else ()
        )
        return [_batch(entry_id.decode(), fields or {}) for entry_id, fields in entries]


def _batch(entry_id: str, fields: Mapping[bytes, bytes]) -> Batch:
    lines = _lines(fields.get(b"events", b""))
    found = (_unpack_event(each) for each in lines)
    numbered = fields.get(b"last", b"")
    last = int(numbered) if numbered.isdigit() else 0  # 0: no entry of ours
    return Batch(
        entry_id=entry_id,
        first=last - len(lines) + 1,
        last=last,
        events=tuple(event for event in found if event is not None),
    )


def _lines(packed: bytes) -> list[msgspec.Raw]:
    try:
        return _EVENTS.decode(packed)
    except wire.UNREADABLE:
        return []
