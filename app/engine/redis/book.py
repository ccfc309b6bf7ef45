"""Books in Redis: the steps of every run, and its effects where there is no database.

A run's book lives as long as the run or its dead letter: it goes in the step that ends the run, and
moves on in the one that replays the letter. Results are sealed like everything we leave there, and
opened only in their place. An effect in doubt is told apart, so that it outlives its run, too.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from app.engine import wire
from app.engine.attempt import Attempt
from app.engine.clock import days, span_ms
from app.engine.effect import Effect, EffectState, Place, doubted, is_same
from app.engine.envelope import Envelope, Kept
from app.engine.errors import BadPayload, LeaseLost
from app.engine.redis import keys
from app.engine.redis.steps import answering
from app.engine.redis.store import Store

_SHARED_LIVES: timedelta = days(7)  # an effect of all runs has no run to go with
_NO_ARGS, _NO_KEYWORDS = msgspec.Raw(b"\x90"), msgspec.Raw(b"\x80")
_EFFECT = wire.decoder(Effect)


class RedisShelf:
    """The steps of runs; written only by who has the lease."""

    def __init__(self, store: Store, codec: Envelope) -> None:
        self._store = store
        self._codec = codec

    async def read(self, attempt: Attempt, name: str) -> bytes | None:
        """What a finished step left; raises `BadPayload` for what it didn't."""
        line = await _line(self._store, attempt.run_id, _step(name))
        return _open(self._codec, line, attempt.origin, _step(name)) if line else None

    async def keep(self, attempt: Attempt, name: str, result: bytes) -> None:
        """Keep it; raises `LeaseLost`."""
        await _note(
            self._store,
            attempt.run_id,
            book=attempt.run_id,
            line=_step(name),
            lease=attempt.lease,
            known=b"",
            then=_seal(self._codec, result, attempt.origin, _step(name)),
        )

    async def check(self, attempt: Attempt) -> None:
        """Raises `LeaseLost`."""
        async with answering():
            held = await self._store.redis.get(keys.lease(attempt.run_id))
        if held != attempt.lease.encode():
            raise LeaseLost(f"run {attempt.run_id} is at work elsewhere, or over")


class RedisLedger:
    """The effects of runs, for an application without a database.

    What the append-only file loses with the machine's power, at most a second, is lost here too.
    """

    def __init__(self, store: Store, codec: Envelope) -> None:
        self._store = store
        self._codec = codec

    @property
    def knows_leases(self) -> bool:
        """They are compared in the step that writes."""
        return True

    async def swap(
        self, place: Place, known: Effect | None, then: Effect | None, *, lease: str
    ) -> Effect | None:
        """Compare and replace, in one step."""
        line, is_doubt = _effect(place), then is not None and then.state is EffectState.IN_DOUBT
        found = await _note(
            self._store,
            place.run_id,
            book=_book(place),
            line=line,
            lease=lease,
            known=_tag(known) if known else b"",
            then=self._written(then) if then else b"",
            lives=timedelta(0) if is_doubt else _SHARED_LIVES,
            doubt=wire.pack(then) if is_doubt else b"",
            begun=wire.pack(then) if _may_be_in_doubt(then) else b"",
        )
        return self._read(place, found) if found else None

    async def in_doubt(self, *, limit: int) -> Sequence[Effect]:
        """The oldest; one that was tampered with is left out."""
        async with answering():
            told: Any = await cast("Any", self._store.redis.hgetall(keys.DOUBTS))
        found = [each for line in told.items() if (each := _told(*line)) is not None]
        return sorted(found, key=lambda each: each.since)[:limit]

    async def find_doubts(self) -> int:
        """Leave to a person what a run was in the middle of when it ended with its worker.

        Returns how many there were. Safe to repeat, and at any time: of runs that are there, or
        will go on, nothing is doubted.
        """
        async with answering():
            told: Any = await cast("Any", self._store.redis.hgetall(keys.BEGUN))
        found = 0
        for line, packed in told.items():
            effect = _told(line, packed)
            if effect is not None and await self._is_there(effect.place.run_id):
                continue
            if effect is not None and await self._doubt(effect):
                found += 1
            else:  # it is known, gone or nonsense
                await self._store.steps.run("unmark", line, packed)
        return found

    async def _doubt(self, effect: Effect) -> bool:
        """Whether it is in doubt now: nobody has said meanwhile how it went."""
        then = doubted(effect)
        return is_same(await self.swap(effect.place, effect, then, lease=""), then)

    async def _is_there(self, run_id: str) -> bool:
        async with answering():
            return bool(await self._store.redis.exists(keys.payload(run_id)))

    def _written(self, effect: Effect) -> bytes:
        line = _effect(effect.place)
        return _tag(effect) + _seal(self._codec, wire.pack(effect), effect.place.key, line)

    def _read(self, place: Place, found: bytes) -> Effect:
        sealed = found.split(b"|", 2)[2]
        try:
            packed = _open(self._codec, sealed, place.key, _effect(place))
            return cast("Effect", _EFFECT.decode(packed))
        except wire.UNREADABLE as error:
            raise BadPayload(f"no effect of ours: {place.name}") from error


def _book(place: Place) -> str:
    return f"/{place.name}" if place.is_shared else place.run_id


def _step(name: str) -> str:
    return f"step {name}"


def _effect(place: Place) -> str:
    return f"effect {place.name}"


def _tag(effect: Effect) -> bytes:
    """How its line begins: what the step compares."""
    return f"{effect.state}|{effect.by}|".encode()


async def _note(
    store: Store,
    run_id: str,
    *,
    book: str,
    line: str,
    lease: str,
    known: bytes,
    then: bytes,
    lives: timedelta = timedelta(0),
    doubt: bytes = b"",
    begun: bytes = b"",
) -> bytes:
    """Write a line in a book, if what is `known` of it is true; returns what stands there.

    Raises `LeaseLost` when there is a `lease`, and the run has another.
    """
    attempt = lease.rpartition(":")[2]
    args = (run_id, lease, attempt, book, line, known, then, span_ms(lives), doubt, begun)
    is_theirs, found = await store.steps.run("note", *args)
    if not is_theirs:
        raise LeaseLost(f"run {run_id} is at work elsewhere, or over")
    return bytes(found)


async def _line(store: Store, book: str, line: str) -> bytes | None:
    async with answering():
        found: bytes | None = await cast("Any", store.redis.hget(keys.book(book), line))
    return found


def _seal(codec: Envelope, packed: bytes, of: str, line: str) -> bytes:
    kept = Kept(
        t=0,
        f=line,
        a=_NO_ARGS,
        k=_NO_KEYWORDS,
        et=0,
        s=True,
        r=msgspec.Raw(wire.pack(packed)),
        st=0,
        ft=0,
        q="",
        id=of,
    )
    return codec.seal_result(kept)


def _open(codec: Envelope, sealed: bytes, of: str, line: str) -> bytes:
    kept = codec.open_result(sealed)
    packed = wire.unpack(kept.r)
    if (kept.id, kept.f) != (of, line) or not isinstance(packed, bytes):
        raise BadPayload(f"{line}: it was kept for another run")
    return packed


def _may_be_in_doubt(effect: Effect | None) -> bool:
    return effect is not None and effect.state is EffectState.BEGUN and effect.asks


def _told(line: bytes, told: bytes) -> Effect | None:
    """The effect, of the run in whose book it is now."""
    try:
        effect = cast("Effect", _EFFECT.decode(told))
    except wire.UNREADABLE:
        return None
    if effect.place.is_shared:
        return effect
    run_id = line.partition(b"|")[0].decode(errors="replace")
    return replace(effect, place=replace(effect.place, run_id=run_id))
