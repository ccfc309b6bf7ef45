"""The atomic steps of the engine, one Lua file each, as typed calls.

Nothing here decides anything: a step gets plain values and returns plain values. Every script is
given the clock's offset and reads the server's time itself. Any of them may be sent again after a
lost connection: they compare ids and leases before they act.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, groupby
from typing import Any, TypeVar, cast

from msgspec.structs import replace

from app.engine import keys
from app.engine.clock import Clock, from_ms, span_ms
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
CHUNK = 500  # runs that are put on their queues in one step, of some milliseconds
_BATCH = 200  # items a call: Lua unpacks a few thousand values at most, and a step should be short


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
        Single runs share a trip with others that come at the same time.
        """
        carry = self._enqueuing.send if len(runs) == 1 else self._enqueue
        answers = await carry(runs)
        pairs = zip(runs, answers, strict=True)
        return [Receipt(id, _is_new(run, state, id, again=again)) for run, (state, id) in pairs]

    async def _enqueue(self, runs: Sequence[NewRun]) -> list[tuple[int, str]]:
        answers: list[tuple[int, str]] = []
        for some in _chunks(runs, CHUNK):
            args = flat(_new_run_kind, _new_run, some)
            now, *others = await self._steps.run("enqueue", self.clock.offset_ms, *args)
            self.clock.learn(float(now))
            found = [(_STORED, run.id) for run in some]
            for place, state, id in zip(others[::3], others[1::3], others[2::3], strict=True):
                found[place] = (state, id.decode())
            answers += found
        return answers

    async def claim(
        self,
        worker: str,
        want: int,
        shares: Sequence[Share],
        *,
        mine: Collection[str] | None = None,
        may_take_over: bool = True,
    ) -> Claim:
        """Lease up to `want` due runs to `worker`, queue by queue in the order given.

        `mine`, after a claim whose answer was lost: all runs the worker knows it has.
        `may_take_over`: whether to take what workers have left that show no sign of life.
        """
        fields = [f for each in shares for f in (each.queue, each.most, span_ms(each.lease))]
        known = ("",) if mine is None else (len(mine), *mine)
        head = (self.clock.offset_ms, worker, int(may_take_over), want, *known)
        queues = [keys.queue(each.queue) for each in shares]
        answer, is_told = await self._steps.claim((*head, *fields), queues)
        now, due, is_all, *found = answer
        self.clock.learn(float(now))
        return Claim(
            runs=_claimed(worker, *found),
            next_due=from_ms(float(due)) if due else None,
            is_all=bool(is_all),
            is_told=is_told,
        )

    async def commit(self, ended: Sequence[Ended]) -> dict[str, str]:
        """Write how these attempts ended; returns the ids that were no longer ours.

        With each comes the lease it has now: none, when it is over or waits again.
        """
        lost: dict[str, str] = {}
        for some in _chunks(ended, _BATCH):
            lost |= await self._complete([each for each in some if isinstance(each, Completed)])
            lost |= await self._put_back([each for each in some if isinstance(each, PutBack)])
            lost |= await self._bury([each for each in some if isinstance(each, Buried)])
            lost |= await self._set_aside([each for each in some if isinstance(each, SetAside)])
        return lost

    async def _complete(self, ended: Sequence[Completed]) -> dict[str, str]:
        args = flat(_completed_kind, _completed, ended)
        return await self._commit_as("complete", (_LONGEST_STREAM,), args)

    async def _put_back(self, ended: Sequence[PutBack]) -> dict[str, str]:
        head = (self.clock.offset_ms, _LONGEST_STREAM)
        return await self._commit_as("retry", head, chain.from_iterable(map(_put_back, ended)))

    async def _bury(self, ended: Sequence[Buried]) -> dict[str, str]:
        head = (self.clock.offset_ms, _LONGEST_STREAM)
        return await self._commit_as("bury", head, chain.from_iterable(map(_buried, ended)))

    async def _set_aside(self, ended: Sequence[SetAside]) -> dict[str, str]:
        head = (_LONGEST_STREAM,)
        return await self._commit_as("park", head, chain.from_iterable(map(_set_aside, ended)))

    async def _commit_as(
        self, step: str, head: tuple[int, ...], fields: Iterable[object]
    ) -> dict[str, str]:
        if not (args := tuple(fields)):
            return {}
        lost = [each.decode(errors="replace") for each in await self._steps.run(step, *head, *args)]
        return dict(zip(lost[::2], lost[1::2], strict=True))

    async def cancelled(self) -> list[str]:
        """Running runs that somebody wants to stop."""
        async with answering():
            found = await self.redis.zrange(keys.ABORT, 0, -1)
        return [id.decode(errors="replace") for id in found]

    async def sweep(self) -> int:
        """Forget cancellations of runs that are over; returns how many."""
        return int(await self._steps.run("sweep"))

    async def lift(self, ranks: Mapping[str, int]) -> dict[str, int]:
        """Lift the expiry of some payloads of each queue, from this rank on; returns the next."""
        args = (field for each in ranks.items() for field in each)
        found = await self._steps.run("lift", *args)
        return dict(zip(ranks, map(int, found), strict=True))

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
        fields = (run_id, queue, span_ms(keep), result, key, event)
        head = (self.clock.offset_ms, _LONGEST_STREAM)
        answer = cast("bytes", await self._steps.run("cancel", *head, *fields))
        return str(answer, "ascii")

    async def tick(
        self, schedule: str, *, known: str, then: str, run: NewRun | None
    ) -> tuple[bool, str]:
        """Move a schedule's cursor from `known` to `then` and enqueue `run`, if nobody did before.

        Returns whether we did, and the cursor as it stands.
        """
        args = (self.clock.offset_ms, known, then, *_alone(run))
        now, fired, cursor = await self._steps.run("tick", *args, on=[keys.cursor(schedule)])
        self.clock.learn(float(now))
        return bool(fired), cursor.decode()

    async def replay(self, dead_id: str, run: NewRun) -> bool:
        """Put `run` on its queue in place of a dead letter; False when that is gone."""
        return bool(await self._steps.run("replay", self.clock.offset_ms, dead_id, *_alone(run)))

    async def hold(self, key: str, holder: str, lease: timedelta) -> bool:
        """Take or keep a lease that one process at a time may have; a zero `lease` lets go."""
        return bool(await self._steps.run("hold", holder, span_ms(lease), on=[key]))

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


def _chunks(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def flat(
    kind: Callable[[T], tuple[object, ...]],
    fields: Callable[[T], tuple[object, ...]],
    items: Iterable[T],
) -> list[object]:
    """What the scripts get: for each group of items of one kind, that kind, how many, their fields.

    Groups are of neighbours, so the items keep their order.
    """
    args: list[object] = []
    for alike, group in groupby(items, kind):
        own = [fields(each) for each in group]
        args += alike
        args.append(len(own))
        args += chain.from_iterable(own)
    return args


def _is_new(run: NewRun, state: int, id: str, *, again: bool) -> bool:
    """Whether it was stored now, or by an earlier try: a made-up id is nobody else's."""
    is_its_own = state == _SAME_BYTES or (id == run.id and not run.is_named)
    return state == _STORED or (again and is_its_own)


def _new_run_kind(run: NewRun) -> tuple[object, ...]:
    at = "" if run.at_ms is None else run.at_ms
    held = span_ms(run.held) if isinstance(run.held, timedelta) else run.held.value
    return (run.queue, at, run.delay_ms, run.key, held, int(run.is_counted))


def _new_run(run: NewRun) -> tuple[object, ...]:
    return (run.id, run.payload)


def _alone(run: NewRun | None) -> list[object]:
    return flat(_new_run_kind, _new_run, [run] if run else [])


def _claimed(
    worker: str,
    queues: Sequence[Any],
    ids: Sequence[bytes],
    payloads: Sequence[bytes | None],
    unusual: Sequence[int],
) -> tuple[Claimed, ...]:
    """The runs a claim brought: `queues` says how many came from each, `unusual` which differ."""
    counts = zip(queues[::2], queues[1::2], strict=True)
    names = (name.decode() for name, count in counts for _ in range(count))
    runs = [
        Claimed(id=str(id, errors="replace"), queue=queue, payload=payload, worker=worker)
        for id, queue, payload in zip(ids, names, payloads, strict=True)
    ]
    odd = zip(unusual[::3], unusual[1::3], unusual[2::3], strict=True)
    for place, attempt, cancelled in odd:
        runs[place - 1] = replace(
            runs[place - 1],
            attempt=attempt or 1,
            is_counted=attempt > 0,
            cancelled=bool(cancelled),
        )
    return tuple(runs)


def _completed_kind(each: Completed) -> tuple[object, ...]:
    run = each.run
    return (run.queue, run.lease, int(run.is_counted), each.keep_ms, each.ending, each.key)


def _completed(each: Completed) -> tuple[object, ...]:
    return (each.run.id, each.result, each.event)


def _held(run: Claimed) -> tuple[str, str, str]:
    return (run.id, run.queue, run.lease)


def _put_back(each: PutBack) -> tuple[object, ...]:
    delay = "" if each.delay is None else span_ms(each.delay)
    counted = (each.run.attempt, int(each.is_charged))
    return (*_held(each.run), *counted, delay, each.failure, each.event)


def _buried(each: Buried) -> tuple[object, ...]:
    kept = (each.keep_ms, each.result)
    return (*_held(each.run), each.job, *kept, each.failure, each.key, each.event)


def _set_aside(each: SetAside) -> tuple[object, ...]:
    return (*_held(each.run), each.run.attempt, each.name, each.version, each.event)
