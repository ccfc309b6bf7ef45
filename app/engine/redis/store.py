"""The atomic steps of the engine, one Lua file each, as typed calls.

Nothing here decides anything: a step gets plain values and returns plain values. Every script is
given the clock's offset and reads the server's time itself. Any of them may be sent again after a
lost connection: they compare ids and leases before they act. (An attempt that was put back may get
the same lease again; so whoever repeats a commit claims no run that waits in it.)
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from app.engine.clock import LATEST_MS, from_ms, span_ms
from app.engine.redis import fields, keys
from app.engine.redis.arrivals import Arrivals
from app.engine.redis.endings import Endings
from app.engine.redis.ground import BATCH, chunks
from app.engine.redis.steps import answering
from app.engine.run import Claim, Share
from app.engine.verdict import Admission, Asking, Told

T = TypeVar("T")
Suspect = tuple[bytes, str]
"""A run's id or a unique key, and the name of its queue where that matters."""

_ADMITTED = 1  # admit.lua's
_RENAMED_MS = 60_000  # for a worker to bury what it can't run
_MOMENT_MS = 5000  # for a worker to claim what it gave back; then it is anybody's
_SHOWN_ALIVE = timedelta(seconds=10)  # a worker that missed ten rounds is not well


class Store(Arrivals, Endings):
    """Redis, as the engine sees it."""

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
        answer, ears = await self.steps.claim((*head, *wanted), queues)
        now, due, is_all, is_offering, *found = answer
        self.clock.learn(float(now))
        runs = fields.claimed(worker, *found)
        if odd := fields.no_text(runs, found[1]):
            await self.steps.run("rename", _RENAMED_MS, *odd)
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
        await self.steps.run("withdraw", worker, *queues)

    async def admit(
        self, told: Sequence[Told], asking: Sequence[Asking], *, lease: timedelta
    ) -> Admission:
        """Ask for places, tell limits of runs that ended, and let in who waited.

        A run that is not admitted is not this worker's any more. `lease`: how long a run may hold
        its places. Safe to repeat, though a rate may count a start twice.
        """
        args = (*fields.of_told(told), *fields.of_asking(asking))
        head = (self.clock.offset_ms, span_ms(lease), len(told))
        now, look, let_in, *answers = await self.steps.run("admit", *head, *args)
        self.clock.learn(float(now))
        if let_in:
            self.steps.wrote()
        admitted = tuple(answer == _ADMITTED for answer in answers)
        return Admission(admitted, float(look) if look else None, let_in)

    async def cancelled(self) -> list[str]:
        """Running runs that somebody wants to stop."""
        async with answering():
            found = await self.redis.zrange(keys.ABORT, 0, -1)
        return [id.decode(errors="replace") for id in found]

    async def sweep(self) -> int:
        """Forget cancellations of runs that are over; returns how many."""
        return int(await self.steps.run("sweep"))

    async def lift(self, ranks: Mapping[str, int]) -> dict[str, int]:
        """Lift the expiry of some payloads of each queue, from this rank on; returns the next."""
        args = (field for each in ranks.items() for field in each)
        found = await self.steps.run("lift", *args)
        return dict(zip(ranks, map(int, found), strict=True))

    async def greet(self, worker: str, description: bytes, lease: timedelta) -> None:
        """Give a worker its sign of life for `lease`."""
        await self.steps.run("say", description, span_ms(lease), on=[keys.worker(worker)])

    async def show_alive(self, description: bytes) -> None:
        """Let `arq --check` find a worker for the next seconds."""
        await self.steps.run("say", description, span_ms(_SHOWN_ALIVE), on=[keys.ALIVE])

    async def unpark(
        self, worker: str, most: int, queues: Sequence[str], versions: Iterable[tuple[str, int]]
    ) -> int:
        """Restore parked runs of these queues and jobs, up to these versions; returns how many.

        They are leased to `worker` for a moment: a claim that tells `mine` takes them.
        """
        if not await self.has(keys.PARKED):
            return 0
        jobs = (field for each in versions for field in each)
        head = (worker, _MOMENT_MS, most, len(queues), *queues)
        return int(await self.steps.run("unpark", *head, *jobs))

    async def drop(self, dead_ids: Sequence[str]) -> int:
        """Forget these dead letters; returns how many there were."""
        dropped = [await self.steps.run("drop", *some) for some in chunks(dead_ids, BATCH)]
        return sum(map(int, dropped))

    async def outdate(self, keep: timedelta) -> int:
        """Forget some dead letters that are older than `keep`; returns how many."""
        args = (self.clock.offset_ms, span_ms(keep), BATCH)
        return int(await self.steps.run("outdate", *args))

    async def dead_count(self) -> int:
        """How many dead letters there are."""
        async with answering():
            return int(await self.redis.zcard(keys.DEAD))

    async def hold(self, key: str, holder: str, lease: timedelta) -> bool:
        """Take or keep a lease that one process at a time may have; a zero `lease` lets go."""
        return bool(await self.steps.run("hold", holder, span_ms(lease), on=[key]))

    async def depth(self, queue: str) -> tuple[int, int, int, int, timedelta]:
        """Runs that are ready, running, deferred, parked; the longest wait of a ready one."""
        ready, running, deferred, parked, waited = await self.steps.run(
            "depth", self.clock.offset_ms, queue
        )
        return ready, running, deferred, parked, timedelta(milliseconds=waited)

    async def examine(
        self, trouble: str, suspects: Sequence[Suspect], queues: Sequence[str], *, mend: bool
    ) -> list[Suspect]:
        """Those of these that are as inconsistent as they seem, mended if asked for."""
        head = (self.clock.offset_ms, trouble, int(mend), len(queues), *map(keys.queue, queues))
        args = (field for suspect in suspects for field in suspect)
        return [suspects[place] for place in await self.steps.run("examine", *head, *args)]

    async def server_time(self) -> datetime:
        """What time it is there, with the clock's offset; opens the line that the steps go by."""
        async with answering():
            whole, micros = await self.redis.line.call("TIME")
        self.clock.learn(int(whole) * 1000 + int(micros) / 1000 + self.clock.offset_ms)
        return self.clock.now()
