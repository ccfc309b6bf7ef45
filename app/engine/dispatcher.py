"""From a claimed run to a task, and from its end to a commit: what happens in between is the job's.

A run that can't start (its payload altered, its name unknown) gets its outcome at once. The others
become tasks in the slots; when one is over, whatever ended it, its outcome goes to the committer.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Generic, TypeVar

from app.engine.clock import Clock
from app.engine.codec import Payload
from app.engine.committer import Committer
from app.engine.job import Job
from app.engine.outcome import Dead, Outcome
from app.engine.over import Over
from app.engine.run import Claimed
from app.engine.runner import Prepared, Runner
from app.engine.slots import Running, Slots

C = TypeVar("C")


class Dispatcher(Generic[C]):
    """Owns the slots of one worker."""

    def __init__(
        self,
        runner: Runner[C],
        committer: Committer,
        *,
        jobs: Mapping[str, Job[Any, ..., Any]],
        clock: Clock,
        concurrency: int,
        abandon_after: timedelta,
    ) -> None:
        """`jobs` are those the runner knows."""
        self._runner = runner
        self._committer = committer
        self._jobs = jobs
        self._clock = clock
        self._payloads: dict[Running, Payload] = {}
        self.slots = Slots(concurrency, grace=abandon_after, ended=self._ended)

    def start(self, run: Claimed) -> None:
        """Run it, or say at once why it can't be."""
        now = self._clock.now_ms()
        payload = self._runner.open(run)
        if isinstance(payload, Dead):
            self._commit(run, None, payload, started_ms=now)
            return
        prepared = self._runner.prepare(run, payload)
        if not isinstance(prepared, Prepared):
            self._commit(run, payload, prepared, started_ms=now)
            return
        job = prepared.job
        running = Running(run=run, job=job.name, started_ms=now, timeout=job.timeout_ms / 1000)
        self._payloads[running] = payload
        self.slots.start(running, lambda running: self._runner.attempt(prepared, running))

    def held(self) -> set[str]:
        """The ids of all runs that are here: at work, or over and not committed yet."""
        running = (each.run.id for each in self.slots.running)
        return {*running, *(over.run.id for over in self._committer.pending)}

    def _ended(self, running: Running, outcome: Outcome | None) -> None:
        payload = self._payloads.pop(running)
        if outcome is None:
            job, number = self._jobs[running.job], running.run.attempt
            outcome = self._runner.cut_off(job, number, running.stopped)
        self._commit(running.run, payload, outcome, started_ms=running.started_ms)

    def _commit(
        self, run: Claimed, payload: Payload | None, outcome: Outcome, *, started_ms: int
    ) -> None:
        self._committer.add(
            Over(
                run=run,
                payload=payload,
                job=self._jobs.get(payload.f) if payload else None,
                outcome=outcome,
                started_ms=started_ms,
                ended_ms=self._clock.now_ms(),
            )
        )
