"""The steps that put runs on their queues, as typed calls.

An enqueue that was not confirmed may be sent again as it is: the ids are chosen here, and Redis
stores each once. A plain run that is sent for the first time goes by a short step of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from msgspec.structs import replace

from app.engine.clock import Clock, span_ms
from app.engine.errors import OutOfMemory, QueueFull
from app.engine.redis import fields, keys
from app.engine.redis.connection import Connections
from app.engine.redis.ground import Ground, chunks
from app.engine.redis.together import Together
from app.engine.run import NewRun, Receipt

_STORED, _SAME_BYTES, _OTHER, _FULL = 1, 2, 0, 3  # enqueue.lua's answers
_NO_MEMORY = 4  # it could not even begin
_GONE = 0  # postpone.lua's
CHUNK = 500
"""Runs that are put on their queues in one step, of some milliseconds."""


class Arrivals(Ground):
    """How runs come in."""

    def __init__(self, redis: Connections, clock: Clock) -> None:
        """As for `Ground`."""
        super().__init__(redis, clock)
        self._enqueuing = Together(self._enqueue_first)

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
            now = await self.steps.run("enqueue_one", *args)
        except OutOfMemory as error:
            return _NO_MEMORY, str(error)
        if now is None:
            return _OTHER, run.id
        self.clock.learn(float(now))
        return _STORED, run.id

    async def _enqueue(self, runs: Sequence[NewRun]) -> list[tuple[int, str]]:
        answers: list[tuple[int, str]] = []
        for some in chunks(runs, CHUNK):
            args = fields.of_new_runs(some)
            try:
                now, *others = await self.steps.run("enqueue", self.clock.offset_ms, *args)
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
        now, answer = await self.steps.run("postpone", self.clock.offset_ms, *args)
        self.clock.learn(float(now))
        return int(answer) != _GONE

    async def tick(
        self, schedule: str, *, known: str, then: str, run: NewRun | None
    ) -> tuple[bool, str]:
        """Move a schedule's cursor from `known` to `then` and enqueue `run`, if nobody did before.

        Returns whether we did, and the cursor as it stands.
        """
        args = (self.clock.offset_ms, known, then, *_alone(run))
        now, fired, cursor = await self.steps.run("tick", *args, on=[keys.cursor(schedule)])
        self.clock.learn(float(now))
        return bool(fired), cursor.decode()

    async def replay(self, dead_id: str, run: NewRun) -> bool:
        """Put `run` on its queue in place of a dead letter; False when that is gone."""
        return bool(await self.steps.run("replay", self.clock.offset_ms, dead_id, *_alone(run)))

    async def relay(
        self, holder: str, lease: timedelta, runs: Mapping[str, NewRun]
    ) -> list[int] | None:
        """Put runs on their queues, each once by its mark, for the `holder` of the relay's lease.

        Returns what relay.lua says of each; None, and nothing is written, once the lease is lost.
        """
        head = (self.clock.offset_ms, holder, span_ms(lease), len(runs), *runs)
        args = (*head, *fields.of_new_runs(runs.values()))
        now, *answers = await self.steps.run("relay", *args, on=[keys.RELAY])
        self.clock.learn(float(now))
        return [int(each) for each in answers] if len(answers) == len(runs) else None

    async def relayed(self, holder: str, marks: Iterable[str]) -> bool:
        """Forget these marks, and let go; False when the lease was lost."""
        return bool(await self.steps.run("relayed", holder, *marks, on=[keys.RELAY]))


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
