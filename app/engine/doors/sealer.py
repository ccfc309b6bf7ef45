"""From a call to a run that is ready to be written: checked, named and signed."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, cast

from app.engine.attempt import current_attempt
from app.engine.clock import Clock, span_ms, to_ms
from app.engine.envelope import Envelope, Payload
from app.engine.errors import BadArguments, UnknownJob
from app.engine.job import Call, Job
from app.engine.run import NewRun, new_id
from app.engine.run_options import Held, Options
from app.engine.signature import Packed

_SMALL = 256  # bytes of arguments: with so few no limit is passed, the smallest included


class Sealer:
    """Makes runs of calls."""

    def __init__(
        self,
        codec: Envelope,
        clock: Clock,
        *,
        jobs: Mapping[str, Job[Any, ..., Any]] | None,
        queues: Collection[str] | None,
        room: Mapping[str, int],
    ) -> None:
        """With `jobs` and `queues` given, a call of any other is refused.

        `room`: how many runs a queue may hold; those it doesn't name, any number.
        """
        self._codec = codec
        self._clock = clock
        self._jobs = jobs
        self._queues = queues
        self._room = room

    def check(self, call: Call[Any]) -> Packed:
        """The call's arguments, if it can be made; raises `CallRefused`."""
        job = _job_of(call)
        if self._jobs is not None and job.name not in self._jobs:
            raise UnknownJob(f"{job.name} is not among the registered jobs")
        if self._queues is not None and job.queue not in self._queues:
            raise BadArguments(f"{job.name}: no queue is called {job.queue!r}")
        return call.packed()

    def check_all(self, calls: Iterable[Call[Any]]) -> list[tuple[Call[Any], Packed]]:
        """The same for many, of which none is too large either; raises `CallRefused`."""
        checked = [(call, self.check(call)) for call in calls]
        for call, packed in checked:
            if call.job.options.debounce:
                raise BadArguments(f"{call.job.name}: debounced calls are enqueued one by one")
            if len(packed.args) + len(packed.kwargs) > _SMALL:
                self.seal(call, packed)  # which tells whether it is too large
        return checked

    def seal(self, call: Call[Any], packed: Packed, *, id: str | None = None) -> NewRun:
        """The run, named and signed; raises `TooLarge`."""
        job, options = call.job, call.job.options
        payload = self._payload(job, options, packed, id)
        wait = options.delay or options.debounce
        return NewRun(
            id=payload.id,
            queue=job.queue,
            payload=self._codec.seal_payload(payload),
            at_ms=to_ms(options.at) if options.at else None,
            delay_ms=span_ms(wait) if wait else 0,
            key=payload.uk,
            held=Held.QUEUED if options.debounce else options.held,
            longest_ms=span_ms(options.longest) if options.debounce else 0,
            most=self._room.get(job.queue, 0),
            is_counted=job.retry.attempts == 1,
            is_named=options.id is not None,
        )

    def _payload(
        self, job: Job[Any, ..., Any], options: Options, packed: Packed, id: str | None
    ) -> Payload:
        parent, now = current_attempt.get(), self._clock.now_ms()
        return Payload(
            f=job.name,
            a=packed.args,
            k=packed.kwargs,
            et=now,
            v=job.version,
            id=id or options.id or new_id(),
            q=job.queue,
            sf=_scheduled_for(options, now),
            p=parent.run_id if parent else "",
            u=options.owner or (parent.owner if parent else "") or "",
            tp=options.trace or (parent.trace if parent else "") or "",
            uk=options.key or "",
            x=_expiry(options, now),
        )


def _scheduled_for(options: Options, now: int) -> int:
    """The moment a run is for, in ms; 0 when that is now."""
    if options.at is not None:
        return max(0, to_ms(options.at))
    wait = options.delay or options.debounce
    return now + span_ms(wait) if wait else 0


def _expiry(options: Options, now: int) -> int:
    """The moment a run expires, in ms; 0 when it does not."""
    expires = options.expires
    if expires is None:
        return 0
    return to_ms(expires) if isinstance(expires, datetime) else now + span_ms(expires)


def _job_of(call: object) -> Job[Any, ..., Any]:
    """The job of a call; raises `UnknownJob` for anything else, such as a job's name."""
    job = cast("object", getattr(call, "job", None))
    if not isinstance(call, Call) or not isinstance(job, Job):
        raise UnknownJob(f"{job or call!r} is no job: enqueue what @job made, or a call of it")
    return cast("Job[Any, ..., Any]", job)
