"""Payloads on no queue, looked for a few at a time: nobody has to ask for them to be missed.

Somebody deletes a queue, or a cache throws it out: its runs are still there, and no worker will
ever see them. A doctor looks at everything and mends it; this is the cheap look that a health check
can afford, one part of all keys after the other. What was found is looked at again each time, so
that it is missed until it is back.
"""

from collections.abc import Sequence
from datetime import timedelta
from time import monotonic

import anyio

from app.engine.clock import seconds
from app.engine.doors.client import Client
from app.engine.errors import BadPayload
from app.engine.redis import census, keys
from app.engine.redis.steps import answering
from app.engine.redis.store import Suspect
from app.engine.trouble import Trouble

_AT_ONCE = 200  # suspects a step: a millisecond or two of the server's time
_MOMENT = seconds(1)  # a worker that parts from a run needs less
_LOOK = 0.1  # s for the next keys: some ten thousand
_KEPT = 2_000  # found ones that are looked at again: enough for an alarm


class Strays:
    """Goes round all keys, one look at a time."""

    def __init__(self, client: Client, *, pause: timedelta = _MOMENT) -> None:
        """`pause` lies between the two times that a run has to be seen on no queue."""
        self._client = client
        self._pause = pause
        self._place = 0
        self._found: list[Suspect] = []

    async def look(self) -> Sequence[str]:
        """The ids of those among the next keys, and of those found before that still are."""
        queues = [each.name for each in await self._client.queues()]
        suspects = dict.fromkeys([*await self._known(queues), *await self._more(queues)])
        if suspects:
            await anyio.sleep(self._pause.total_seconds())
        found = await self._still(list(suspects), queues)
        self._found = found[:_KEPT]
        return [id.decode(errors="replace") for id, _ in found]

    async def _known(self, queues: Sequence[str]) -> list[Suspect]:
        return await self._still(self._found, queues)

    async def _more(self, queues: Sequence[str]) -> list[Suspect]:
        """Those among the next keys, until the time is up or the round is done."""
        found: list[Suspect] = []
        until = monotonic() + _LOOK
        while True:
            self._place, names = await census.some_names_after(
                self._client.store.redis, keys.JOB, self._place
            )
            off = await self._off([(name, "") for name in names], queues)
            found += [place for e in off if (place := await placed_by_payload(self._client, e))]
            if not self._place or monotonic() >= until:
                return found

    async def _still(self, placed: Sequence[Suspect], queues: Sequence[str]) -> list[Suspect]:
        return await self._off(placed, sorted({*queues, *(queue for _, queue in placed)}))

    async def _off(self, suspects: Sequence[Suspect], queues: Sequence[str]) -> list[Suspect]:
        found: list[Suspect] = []
        for start in range(0, len(suspects), _AT_ONCE):
            some = suspects[start : start + _AT_ONCE]
            found += await self._client.store.examine(Trouble.UNQUEUED, some, queues, mend=False)
        return found


async def placed_by_payload(client: Client, suspect: Suspect) -> Suspect | None:
    """With the queue that a run was sealed for; None for a payload that is not ours."""
    id, _ = suspect
    async with answering():
        sealed: bytes | None = await client.store.redis.get(keys.JOB.encode() + id)
    try:
        payload = client.codec.open_payload(sealed or b"")
    except BadPayload:
        return None
    return (id, payload.q) if payload.q and payload.id.encode() == id else None
