"""The atomic steps of the engine, one Lua file each, as typed calls.

Nothing here decides anything: a step gets plain values and returns plain values. Every script is
given the clock's offset and reads the server's time itself. Any of them may be sent again after a
lost connection: they compare ids and leases before they act.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from app.engine import keys
from app.engine.clock import Clock, from_ms, to_ms
from app.engine.connection import Connections
from app.engine.ended import Buried, Completed, Ended, PutBack, SetAside
from app.engine.run import Claim, Claimed, NewRun, Receipt, Share
from app.engine.steps import Steps, answering
from app.engine.together import Together

T = TypeVar("T")

_STORED, _SAME_BYTES = 1, 2  # enqueue.lua's answers
_MOMENT_MS = 5000  # for a worker to claim what it gave back; then it is anybody's
_LONGEST_STREAM = 10_000  # entries; a recorder that is further behind misses some, and says so
_SHOWN_ALIVE = timedelta(seconds=10)  # a worker that missed ten rounds is not well
_BATCH = 200  # items a call: Lua unpacks a few thousand values at most, and a step should be short


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)


class Store:
    """Redis, as the engine sees it."""

    def __init__(self, redis: Connections, clock: Clock) -> None:
        """`redis` is shared with whoever made it, and closed by them."""
        self.redis = redis
        self.clock = clock
        self._steps = Steps(redis.line)
        self.listening = self._steps.listening
        self._enqueuing = Together(self._enqueue)

    async def enqueue(self, runs: Sequence[NewRun], *, again: bool = False) -> list[Receipt]:
        """Store runs; an id or key that is taken answers with the run that holds it.

        `again`: the same runs were sent before, unanswered; what is there now is new all the same.
        Calls of the same turn of the loop share a trip.
        """
        new = (_STORED, _SAME_BYTES) if again else (_STORED,)
        answers = await self._enqueuing.send(runs)
        return [Receipt(id.decode(), state in new) for state, id in answers]

    async def _enqueue(self, runs: Sequence[NewRun]) -> list[tuple[int, bytes]]:
        answers: list[tuple[int, bytes]] = []
        for some in _chunks(runs):
            args = [field for run in some for field in _new_run(run)]
            now, *found = await self._steps.run("enqueue", self.clock.offset_ms, *args)
            self.clock.learn(float(now))
            answers += zip(found[::2], found[1::2], strict=True)
        return answers

    async def claim(
        self,
        worker: str,
        want: int,
        shares: Sequence[Share],
        *,
        mine: Collection[str] | None = None,
    ) -> Claim:
        """Lease up to `want` due runs to `worker`, queue by queue in the order given.

        `mine`, after a claim whose answer was lost: all runs the worker knows it has.
        """
        fields = [f for each in shares for f in (each.queue, each.most, _ms(each.lease))]
        known = ("",) if mine is None else (len(mine), *mine)
        head = (self.clock.offset_ms, worker, want, *known)
        queues = [keys.queue(each.queue) for each in shares]
        (now, due, is_all, taken), is_told = await self._steps.claim((*head, *fields), queues)
        self.clock.learn(float(now))
        return Claim(
            tuple(_claimed(each, worker) for each in taken),
            from_ms(float(due)) if due else None,
            is_all=bool(is_all),
            is_told=is_told,
        )

    async def commit(self, ended: Sequence[Ended]) -> list[str]:
        """Write how these attempts ended; returns the ids that were no longer ours."""
        lost: list[str] = []
        for some in _chunks(ended):
            lost += await self._complete([each for each in some if isinstance(each, Completed)])
            lost += await self._put_back([each for each in some if isinstance(each, PutBack)])
            lost += await self._bury([each for each in some if isinstance(each, Buried)])
            lost += await self._set_aside([each for each in some if isinstance(each, SetAside)])
        return lost

    async def _complete(self, ended: Sequence[Completed]) -> list[str]:
        head = (_LONGEST_STREAM,)
        return await self._commit_as("complete", head, map(_completed, ended))

    async def _put_back(self, ended: Sequence[PutBack]) -> list[str]:
        head = (self.clock.offset_ms, _LONGEST_STREAM)
        return await self._commit_as("retry", head, map(_put_back, ended))

    async def _bury(self, ended: Sequence[Buried]) -> list[str]:
        head = (self.clock.offset_ms, _LONGEST_STREAM)
        return await self._commit_as("bury", head, map(_buried, ended))

    async def _set_aside(self, ended: Sequence[SetAside]) -> list[str]:
        head = (_LONGEST_STREAM,)
        return await self._commit_as("park", head, map(_set_aside, ended))

    async def _commit_as(
        self, step: str, head: tuple[int, ...], items: Iterable[tuple[Any, ...]]
    ) -> list[str]:
        fields = [field for item in items for field in item]
        if not fields:
            return []
        return [id.decode() for id in await self._steps.run(step, *head, *fields)]

    async def cancelled(self) -> list[str]:
        """Running runs that somebody wants to stop."""
        async with answering():
            found = await self.redis.zrange(keys.ABORT, 0, -1)
        return [id.decode(errors="replace") for id in found]

    async def greet(self, worker: str, description: bytes, lease: timedelta) -> None:
        """Give a worker its sign of life for `lease`."""
        async with answering():
            await self.redis.set(keys.worker(worker), description, px=lease)

    async def show_alive(self, description: bytes) -> None:
        """Let `arq --check` find a worker for the next seconds."""
        async with answering():
            await self.redis.set(keys.ALIVE, description, px=_SHOWN_ALIVE)

    async def unpark(
        self, worker: str, most: int, queues: Sequence[str], versions: Iterable[tuple[str, int]]
    ) -> int:
        """Restore parked runs of these queues and jobs, up to these versions; returns how many.

        They are leased to `worker` for a moment: a claim that tells `mine` takes them.
        """
        jobs = (field for each in versions for field in each)
        head = (worker, _MOMENT_MS, most, len(queues), *queues)
        return int(await self._steps.run("unpark", *head, *jobs))

    async def cancel(
        self, run_id: str, queue: str, *, keep: timedelta, result: bytes, key: str, event: bytes
    ) -> str:
        """`cancelled` if it was waiting, `asked` if it is running, `gone` if it is neither."""
        fields = (run_id, queue, _ms(keep), result, key, event)
        head = (self.clock.offset_ms, _LONGEST_STREAM)
        answer = cast("bytes", await self._steps.run("cancel", *head, *fields))
        return str(answer, "ascii")

    async def tick(
        self, schedule: str, *, known: str, then: str, run: NewRun | None
    ) -> tuple[bool, str]:
        """Move a schedule's cursor from `known` to `then` and enqueue `run`, if nobody did before.

        Returns whether we did, and the cursor as it stands.
        """
        fields = _new_run(run) if run else ()
        args = (self.clock.offset_ms, known, then, *fields)
        now, fired, cursor = await self._steps.run("tick", *args, on=[keys.cursor(schedule)])
        self.clock.learn(float(now))
        return bool(fired), cursor.decode()

    async def replay(self, dead_id: str, run: NewRun) -> bool:
        """Put `run` on its queue in place of a dead letter; False when that is gone."""
        return bool(await self._steps.run("replay", self.clock.offset_ms, dead_id, *_new_run(run)))

    async def hold(self, key: str, holder: str, lease: timedelta) -> bool:
        """Take or keep a lease that one process at a time may have; a zero `lease` lets go."""
        return bool(await self._steps.run("hold", holder, _ms(lease), on=[key]))

    async def depth(self, queue: str) -> tuple[int, int, int, int, timedelta]:
        """Runs that are ready, running, deferred, parked; the longest wait of a ready one."""
        ready, running, deferred, parked, waited = await self._steps.run(
            "depth", self.clock.offset_ms, queue
        )
        return ready, running, deferred, parked, timedelta(milliseconds=waited)

    async def server_time(self) -> datetime:
        """What time it is there, with the clock's offset."""
        async with answering():
            whole, micros = await self.redis.time()
        self.clock.learn(whole * 1000 + micros / 1000 + self.clock.offset_ms)
        return self.clock.now()


def _chunks(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))


def _new_run(run: NewRun) -> tuple[Any, ...]:
    at = to_ms(run.at) if run.at else ""
    held = _ms(run.held) if isinstance(run.held, timedelta) else run.held.value
    return (run.id, run.queue, at, _ms(run.delay), run.payload, run.key, held)


def _claimed(taken: Sequence[Any], worker: str) -> Claimed:
    id, queue, due, attempt, cancelled, payload = taken
    return Claimed(
        id=id.decode(errors="replace"),
        queue=queue.decode(),
        due_ms=float(due),
        attempt=attempt,
        lease=f"{worker}:{attempt}",
        cancelled=bool(cancelled),
        payload=payload,
    )


def _held(run: Claimed) -> tuple[str, str, str]:
    return (run.id, run.queue, run.lease)


def _completed(each: Completed) -> tuple[Any, ...]:
    return (*_held(each.run), _ms(each.keep), each.result, each.ending, each.key, each.event)


def _put_back(each: PutBack) -> tuple[Any, ...]:
    delay = "" if each.delay is None else _ms(each.delay)
    return (*_held(each.run), delay, int(each.is_charged), each.failure, each.event)


def _buried(each: Buried) -> tuple[Any, ...]:
    kept = (_ms(each.keep), each.result)
    return (*_held(each.run), each.job, *kept, each.failure, each.key, each.event)


def _set_aside(each: SetAside) -> tuple[Any, ...]:
    return (*_held(each.run), each.name, each.version, each.run.due_ms, each.event)
