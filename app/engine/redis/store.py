"""The atomic steps of the engine, one Lua file each, as typed calls.

Nothing here decides anything: a step gets plain values and returns plain values. Every script is
given the clock's offset and reads the server's time itself. Any of them may be sent again after a
lost connection: they compare ids and leases before they act. (An attempt that was put back may get
the same lease again; so whoever repeats a commit claims no run that waits in it.)
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar, cast

from msgspec.structs import replace

from app.engine.clock import LATEST_MS, Clock, from_ms, span_ms
from app.engine.ended import Buried, Completed, Ended, PutBack, SetAside
from app.engine.errors import OutOfMemory, QueueFull
from app.engine.redis import fields, keys
from app.engine.redis.connection import Connections
from app.engine.redis.steps import Steps, answering
from app.engine.redis.together import Together
from app.engine.run import Claim, NewRun, Receipt, Share
from app.engine.verdict import Admission, Asking, Told

T = TypeVar("T")
Suspect = tuple[bytes, str]
"""A run's id or a unique key, and the name of its queue where that matters."""

_STORED, _SAME_BYTES, _OTHER, _FULL = 1, 2, 0, 3  # enqueue.lua's answers
_NO_MEMORY = 4  # it could not even begin
_GONE = 0  # postpone.lua's
_ADMITTED = 1  # admit.lua's
_RENAMED_MS = 60_000  # for a worker to bury what it can't run
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
        self.steps = self._steps = Steps(redis.line)
        self.listening = self._steps.listening
        self._enqueuing = Together(self._enqueue_first)

    @property
    def is_at_hand(self) -> bool:
        """Whether there is a connection: what is asked on it is answered, or given up in time."""
        return self.redis.line.is_connected

    async def enqueue(self, runs: Sequence[NewRun], *, again: bool = False) -> list[Receipt]:
        """Store runs; an id or key that is taken answers with the run that holds it.

        `again`: the same runs were sent before, unanswered; what is there now is new all the same.
        Single runs share a trip with others that come at the same time. Raises `QueueFull` when
        there was no room for some.
        """
        is_first = len(runs) == 1 and not again
        answers = await (self._enqueuing.send(runs) if is_first else self._enqueue(runs))
        _refuse_full(runs, answers)
        pairs = zip(runs, answers, strict=True)
        return [Receipt(id, _is_new(run, state, id, again=again)) for run, (state, id) in pairs]

    async def _enqueue_first(self, runs: Sequence[NewRun]) -> list[tuple[int, str]]:
        """Of runs that were not sent before."""
        if len(runs) == 1 and runs[0].is_plain and not self.clock.offset:
            return [await self._enqueue_one(runs[0])]
        return await self._enqueue(runs)

    async def _enqueue_one(self, run: NewRun) -> tuple[int, str]:
        args = (keys.queue(run.queue), run.queue, run.id, run.payload)
        try:
            now = await self._steps.run("enqueue_one", *args)
        except OutOfMemory as error:
            return _NO_MEMORY, str(error)
        if now is None:
            return _OTHER, run.id
        self.clock.learn(float(now))
        return _STORED, run.id

    async def _enqueue(self, runs: Sequence[NewRun]) -> list[tuple[int, str]]:
        answers: list[tuple[int, str]] = []
        for some in _chunks(runs, CHUNK):
            args = fields.of_new_runs(some)
            try:
                now, *others = await self._steps.run("enqueue", self.clock.offset_ms, *args)
            except OutOfMemory as error:
                answers += [(_NO_MEMORY, str(error))] * len(some)
                continue
            self.clock.learn(float(now))
            found = [(_STORED, run.id) for run in some]
            for place, state, id in zip(others[::3], others[1::3], others[2::3], strict=True):
                found[place] = (state, id.decode())
            answers += found
        return answers

    async def postpone(self, run: NewRun) -> bool:
        """Give the debounced run of this id and key this payload, and its wait anew.

        False when it does not wait any more. One that is not debounced stays as it is. Safe to
        repeat: the last to ask has it.
        """
        args = (run.key, run.id, run.payload, run.queue, run.delay_ms)
        now, answer = await self._steps.run("postpone", self.clock.offset_ms, *args)
        self.clock.learn(float(now))
        return int(answer) != _GONE

    async def claim(
        self,
        worker: str,
        want: int,
        shares: Sequence[Share],
        *,
        mine: Collection[str] | None = None,
        may_take_over: bool = True,
        was_offering: bool = False,
        offer: timedelta | None = None,
        fatal: int = 3,
    ) -> Claim:
        """Lease up to `want` due runs to `worker`, queue by queue in the order given.

        `mine`, after a claim whose answer was lost: all runs the worker knows it has.
        `may_take_over`: whether to take what workers have left that show no sign of life; a
        run that `fatal` of them died with is at its end.
        `offer`: if there is nothing to take, how long the next plain run may be handed to `worker`;
        `was_offering`: whether that may be so already.
        """
        wanted = [f for each in shares for f in (each.queue, each.most, span_ms(each.lease))]
        known = ("",) if mine is None else (len(mine), *mine)
        offering = (int(was_offering), "" if offer is None else span_ms(offer))
        dead = fatal if may_take_over else ""
        head = (self.clock.offset_ms, worker, dead, want, *offering, *known)
        queues = [keys.queue(each.queue) for each in shares]
        answer, ears = await self._steps.claim((*head, *wanted), queues)
        now, due, is_all, is_offering, *found = answer
        self.clock.learn(float(now))
        runs = fields.claimed(worker, *found)
        if odd := fields.no_text(runs, found[1]):
            await self._steps.run("rename", _RENAMED_MS, *odd)
        return Claim(
            runs=runs,
            next_due=from_ms(min(float(due), LATEST_MS)) if due else None,
            is_all=bool(is_all),
            is_told=ears.of_changes,
            hears_of_runs=ears.of_runs,
            is_offering=bool(is_offering),
        )

    async def withdraw(self, worker: str, queues: Sequence[str]) -> None:
        """Take a worker's offer back; what was handed over before has been told when this ends."""
        await self._steps.run("withdraw", worker, *queues)

    async def admit(
        self, told: Sequence[Told], asking: Sequence[Asking], *, lease: timedelta
    ) -> Admission:
        """Ask for places, tell limits of runs that ended, and let in who waited.

        A run that is not admitted is not this worker's any more. `lease`: how long a run may hold
        its places. Safe to repeat, though a rate may count a start twice.
        """
        args = (*fields.of_told(told), *fields.of_asking(asking))
        head = (self.clock.offset_ms, span_ms(lease), len(told))
        now, look, let_in, *answers = await self._steps.run("admit", *head, *args)
        self.clock.learn(float(now))
        if let_in:
            self._steps.wrote()
        admitted = tuple(answer == _ADMITTED for answer in answers)
        return Admission(admitted, float(look) if look else None, let_in)

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
        return await self._commit_as("complete", (_LONGEST_STREAM,), fields.of_completed(ended))

    async def _put_back(self, ended: Sequence[PutBack]) -> dict[str, str]:
        head = (self.clock.offset_ms, _LONGEST_STREAM)
        return await self._commit_as("retry", head, fields.of_put_back(ended))

    async def _bury(self, ended: Sequence[Buried]) -> dict[str, str]:
        head = (self.clock.offset_ms, _LONGEST_STREAM)
        return await self._commit_as("bury", head, fields.of_buried(ended))

    async def _set_aside(self, ended: Sequence[SetAside]) -> dict[str, str]:
        head = (_LONGEST_STREAM,)
        return await self._commit_as("park", head, fields.of_set_aside(ended))

    async def _commit_as(
        self, step: str, head: tuple[int, ...], args: Sequence[object]
    ) -> dict[str, str]:
        if not args:
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
        await self._steps.run("say", description, span_ms(lease), on=[keys.worker(worker)])

    async def show_alive(self, description: bytes) -> None:
        """Let `arq --check` find a worker for the next seconds."""
        await self._steps.run("say", description, span_ms(_SHOWN_ALIVE), on=[keys.ALIVE])

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
        args = (run_id, queue, span_ms(keep), result, key, event)
        head = (self.clock.offset_ms, _LONGEST_STREAM)
        answer = cast("bytes", await self._steps.run("cancel", *head, *args))
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

    async def drop(self, dead_ids: Sequence[str]) -> int:
        """Forget these dead letters; returns how many there were."""
        dropped = [await self._steps.run("drop", *some) for some in _chunks(dead_ids, _BATCH)]
        return sum(map(int, dropped))

    async def outdate(self, keep: timedelta) -> int:
        """Forget some dead letters that are older than `keep`; returns how many."""
        args = (self.clock.offset_ms, span_ms(keep), _BATCH)
        return int(await self._steps.run("outdate", *args))

    async def dead_count(self) -> int:
        """How many dead letters there are."""
        async with answering():
            return int(await self.redis.zcard(keys.DEAD))

    async def hold(self, key: str, holder: str, lease: timedelta) -> bool:
        """Take or keep a lease that one process at a time may have; a zero `lease` lets go."""
        return bool(await self._steps.run("hold", holder, span_ms(lease), on=[key]))

    async def relay(
        self, holder: str, lease: timedelta, runs: Mapping[str, NewRun]
    ) -> list[int] | None:
        """Put runs on their queues, each once by its mark, for the `holder` of the relay's lease.

        Returns what relay.lua says of each; None, and nothing is written, once the lease is lost.
        """
        head = (self.clock.offset_ms, holder, span_ms(lease), len(runs), *runs)
        args = (*head, *fields.of_new_runs(runs.values()))
        now, *answers = await self._steps.run("relay", *args, on=[keys.RELAY])
        self.clock.learn(float(now))
        return [int(each) for each in answers] if len(answers) == len(runs) else None

    async def relayed(self, holder: str, marks: Iterable[str]) -> bool:
        """Forget these marks, and let go; False when the lease was lost."""
        return bool(await self._steps.run("relayed", holder, *marks, on=[keys.RELAY]))

    async def depth(self, queue: str) -> tuple[int, int, int, int, timedelta]:
        """Runs that are ready, running, deferred, parked; the longest wait of a ready one."""
        ready, running, deferred, parked, waited = await self._steps.run(
            "depth", self.clock.offset_ms, queue
        )
        return ready, running, deferred, parked, timedelta(milliseconds=waited)

    async def examine(
        self, trouble: str, suspects: Sequence[Suspect], queues: Sequence[str], *, mend: bool
    ) -> list[Suspect]:
        """Those of these that are as inconsistent as they seem, mended if asked for."""
        head = (self.clock.offset_ms, trouble, int(mend), len(queues), *map(keys.queue, queues))
        args = (field for suspect in suspects for field in suspect)
        return [suspects[place] for place in await self._steps.run("examine", *head, *args)]

    async def server_time(self) -> datetime:
        """What time it is there, with the clock's offset; opens the line that the steps go by."""
        async with answering():
            whole, micros = await self.redis.line.call("TIME")
        self.clock.learn(int(whole) * 1000 + int(micros) / 1000 + self.clock.offset_ms)
        return self.clock.now()


def in_parts(ended: Sequence[Ended]) -> Iterable[Sequence[Ended]]:
    """What goes in one step each: of one kind, and not too many."""
    for kind in (Completed, PutBack, Buried, SetAside):
        yield from _chunks([each for each in ended if type(each) is kind], _BATCH)


def _chunks(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _alone(run: NewRun | None) -> list[object]:
    """The run for a step that puts one on its queue, full or not."""
    return fields.of_new_runs([replace(run, most=0)] if run else [])


def _refuse_full(runs: Sequence[NewRun], answers: Sequence[tuple[int, str]]) -> None:
    """Raise `QueueFull` if a queue had no room; what stands for the other calls is stored."""
    refused = {
        run.id: said if state == _NO_MEMORY else f"queue {run.queue} holds {run.most} runs"
        for run, (state, said) in zip(runs, answers, strict=True)
        if state >= _FULL
    }
    if refused:
        stored = [id for state, id in answers if state < _FULL]
        reasons = ", ".join(sorted(set(refused.values())))
        raise QueueFull(f"no room: {reasons}", refused=list(refused), stored=stored)


def _is_new(run: NewRun, state: int, id: str, *, again: bool) -> bool:
    """Whether it was stored now, or by an earlier try: a made-up id is nobody else's."""
    is_its_own = state == _SAME_BYTES or (id == run.id and not run.is_named)
    return state == _STORED or (again and is_its_own)
