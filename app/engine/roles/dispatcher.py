"""From a claimed run to a task, and from its end to a commit: what happens in between is the job's.

A run that can't start (its payload altered, its name unknown) gets its outcome at once, and one
that its workers may have died of is left to be tried alone. The others become tasks in the slots,
those with limits once there is room for them; when one is over, whatever ended it, its outcome goes
to the committer.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Generic, TypeVar

from msgspec.structs import replace

from app.engine.clock import Clock
from app.engine.job import Job
from app.engine.outcome import Outcome, Released
from app.engine.roles.admitter import Admitter
from app.engine.roles.committer import Committer
from app.engine.roles.deaf import Deaf
from app.engine.roles.over import Over
from app.engine.roles.runner import Refused, Runner
from app.engine.roles.running import Body, Running
from app.engine.roles.slots import Slots
from app.engine.roles.trials import Trials
from app.engine.run import Claimed

C = TypeVar("C")


class Dispatcher(Generic[C]):
    """Owns the slots of one worker."""

    def __init__(
        self,
        runner: Runner[C],
        committer: Committer,
        trials: Trials,
        *,
        admitter: Admitter,
        jobs: Mapping[str, Job[Any, ..., Any]],
        clock: Clock,
        concurrency: int,
        abandon_after: timedelta,
        lease: timedelta,
        retire: Callable[[str], None],
        around: Callable[[Body], Body] = lambda body: body,
    ) -> None:
        """`jobs` are those the runner knows. `around` adds to what an attempt is.

        `retire` stops the worker, where only a fresh process can go on.
        """
        self._runner = runner
        self._committer = committer
        self._trials = trials
        self._admitter = admitter
        self._jobs = jobs
        self._books = runner.books
        self._body = around(runner.attempt)
        self._clock = clock
        self.slots = Slots(concurrency, grace=abandon_after, ended=self._ended)
        self._deaf = Deaf(self.slots.has_abandoned, lease=lease, retire=retire)

    def start(self, run: Claimed) -> None:
        """Run it, or say at once why it can't be."""
        found = self._runner.prepare(run)
        if not isinstance(found, Running):
            self._refused(run, found)
        elif left := self._deaf.left(run):
            self._refused(run, Refused(found.payload, left))
        elif run.uncharged and self._trials.takes(found):
            return
        elif found.asks:
            self.slots.hold(found)
            self._admitter.ask(found, self._answered)
        else:
            self._begin(found)

    def _answered(self, running: Running, is_admitted: bool) -> None:
        if not is_admitted:
            self.slots.let_go(running)
        elif not running.is_over:  # it was cancelled meanwhile, or the worker stops
            self._begin(running)

    def _begin(self, running: Running) -> None:
        body = self._body
        self.slots.start(running, self._trials.body(body) if running.run.uncharged else body)

    def give_back(self, run: Claimed) -> None:
        """Leave it to others, uncharged: it has not begun here."""
        found = self._runner.prepare(run)
        if isinstance(found, Running):
            found = Refused(found.payload, Released())
        self._refused(run, found)

    def held(self) -> set[str]:
        """The ids of all runs here: at work, to be tried alone, or over and not committed yet."""
        running = (each.run.id for each in self.slots.running)
        over = (over.run.id for over in self._committer.pending)
        return {*running, *over, *self._trials.held()}

    def _ended(self, running: Running, outcome: Outcome | None) -> None:
        over = Over(
            run=self._closed(running) if self._books.open else running.run,
            payload=running.payload,
            job=running.job,
            outcome=outcome or self._runner.cut_off(running),
            started_ms=running.started_ms,
            ended_ms=self._clock.now_ms(),
            asks=running.asks,
        )
        if over.asks:
            self._admitter.ended(over)
        self._committer.add(over)

    def _closed(self, running: Running) -> Claimed:
        """The run; one that has a book is counted, and so loses it when it is over."""
        if self._books.close(running.attempt):
            return replace(running.run, is_counted=True)
        return running.run

    def _refused(self, run: Claimed, refused: Refused) -> None:
        payload, now = refused.payload, self._clock.now_ms()
        self._committer.add(
            Over(
                run=run,
                payload=payload,
                job=self._jobs.get(payload.f) if payload else None,
                outcome=refused.outcome,
                started_ms=now,
                ended_ms=now,
            )
        )
