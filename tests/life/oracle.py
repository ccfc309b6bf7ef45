"""The one judge of all cases: whether the engine has kept its promises, I1 to I8.

    I1  every run with a receipt ends in exactly one state
    I2  it was done at least once, was cancelled, or lies among the dead letters with its payload
    I3  an effect that has a key happened exactly once, a step not again once it was done
    I4  one commit ended it; attempts overlap only where a lease really expired; only what was in
        flight when a worker was killed begins again; no more are at work on a place than it holds
    I5  what was killed with its worker began again within two leases; what is tried alone, within
        two for itself and two for each that may be tried before it
    I6  no worker process ended that the case has not killed
    I7  at every sample each run stood in exactly one place
    I8  nothing is left behind

The oracle asks nobody: it decides over `Evidence`. It knows four excuses, and each is a fact in the
evidence, not a tolerance: the journal shows that a lease expired; Redis was away; the recorder says
that it missed what was written between two moments, and how much; and a run that several workers
have died with waits for its trial, behind the trials of all the others.

Of a story that is not whole, as most are, it decides the same: there a run may also wait still, or
what was kept of its end may be gone, and what a job doesn't tell of itself is left to the events.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain

from app.engine import Ending
from tests.life.attempts import (
    ENDED,
    Attempt,
    attempts_of,
    overlapping,
    recoveries,
    suspects_of,
    trials,
)
from tests.life.breach import Breach, in_lines
from tests.life.evidence import Evidence, Life, Span, State, Trace, in_words, state_of
from tests.life.gaps import missed
from tests.life.promises import EFFECT, crowded, taken_again
from tests.life.story import story
from tests.life.tally import Tally

REPLAYS = "replays"
"""What a run writes that a dead letter was run again as. The key is the dead one's id."""


def _tells(attempt: Attempt) -> bool:
    return attempt.is_told


class Oracle:
    """Decides over one case."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._states = {run: state_of(trace) for run, trace in evidence.traces.items()}
        self._tries = attempts_of(evidence)
        """All that is known of; `_attempts` are those that tell when they begin and end."""
        self._attempts = {
            run: told for run, all_ in self._tries.items() if (told := [*filter(_tells, all_)])
        }
        self._expired = {(each.run, each.loser) for each in evidence.takeovers if each.has_lapsed}

    def demand(self) -> Tally:
        """The case's figures; raises `AssertionError` with all that is wrong."""
        assert not self.breaches, self.said()
        return self.tally()

    def said(self) -> str:
        """What is wrong, a line each."""
        return in_lines(self.breaches)

    @cached_property
    def breaches(self) -> Sequence[Breach]:
        """Every promise that was not kept."""
        checks: dict[str, Callable[[], Iterator[str]]] = {
            "I1": self._not_in_one_end,
            "I2": self._neither_done_nor_kept,
            "I3": self._not_once,
            "I4": self._not_fenced,
            "I5": self._slow,
            "I6": self._ended_workers,
            "I7": lambda: iter(self._evidence.torn),
            "I8": lambda: iter(self._evidence.leaked),
        }
        return [Breach(name, what) for name, check in checks.items() for what in check()]

    def tally(self) -> Tally:
        """The case's figures."""
        endings = Counter(self._ending(run) for run in self._evidence.accepted)
        return Tally(
            accepted=len(self._evidence.accepted),
            completed=endings[Ending.SUCCEEDED],
            rerun=sum(self._is_rerun(each) for each in self._attempts.values()),
            in_flight=len(self._in_flight),
            dead=endings[Ending.DEAD],
            redriven=len(self._redriven),
            cancelled=endings[Ending.CANCELLED],
            effects=len(self._effects()),
            recoveries=sorted(recoveries(self._evidence, self._tries.values())),
        )

    @cached_property
    def _missed(self) -> set[str]:
        return missed(self._evidence)

    @cached_property
    def _in_flight(self) -> set[tuple[str, int]]:
        at_work = chain.from_iterable(self._attempts.values())
        killed = self._evidence.killed
        cut = {(each.run, each.pid) for each in at_work if each.gone == killed.get(each.pid)}
        return cut | {(each.run, each.loser) for each in self._evidence.takeovers}

    @cached_property
    def _redriven(self) -> set[str]:
        return {line.key for line in self._evidence.lines if line.what == REPLAYS}

    def _is_rerun(self, attempts: Sequence[Attempt]) -> bool:
        killed = self._evidence.killed
        return any(each.is_done or each.gone == killed.get(each.pid) for each in attempts[:-1])

    def _ending(self, run: str) -> Ending | None:
        return next(iter(self._evidence.endings.get(run, ())), None)

    def _effects(self) -> Counter[str]:
        lines = self._evidence.lines
        return Counter(line.key for line in lines if line.what == EFFECT and line.key)

    def _not_in_one_end(self) -> Iterator[str]:
        for run in self._evidence.accepted:
            state, ending = self._states.get(run), self._ending(run)
            if self._may_stand_so(run, state, ending):
                continue
            if state not in (State.OVER, State.DEAD):
                left = in_words(self._evidence.traces.get(run))
                yield f"run {run} did not end: {left}; {self._story(run)}"
            elif (state is State.DEAD) != (ending is Ending.DEAD and run not in self._redriven):
                yield f"run {run} is {state}, and its commit said {ending}"
            elif self._is_told_otherwise(run, ending):
                yield f"run {run} is {self._evidence.history.get(run)} in the history, not {ending}"

    def _may_stand_so(self, run: str, state: State | None, ending: Ending | None) -> bool:
        """Whether a story may leave it so: it waits, or what was kept of its end is gone.

        A dead letter that is gone was retried or dropped.
        """
        if self._evidence.is_whole:
            return False
        if ending is None:
            return state is State.WAITING
        return state is State.OVER or not self._evidence.traces.get(run)

    def _story(self, run: str) -> str:
        evidence = self._evidence
        at = evidence.receipts.get(run, 0.0)
        return story(
            run, at=at, lines=evidence.lines, killed=evidence.killed, outages=evidence.outages
        )

    def _is_told_otherwise(self, run: str, ending: Ending | None) -> bool:
        history = self._evidence.history
        return bool(history) and history.get(run) is not ending and run not in self._missed

    def _neither_done_nor_kept(self) -> Iterator[str]:
        for run in self._evidence.accepted:
            is_done = any(each.is_done for each in self._attempts.get(run, ()))
            is_done |= not self._evidence.is_whole and run not in self._attempts
            if self._ending(run) is Ending.SUCCEEDED and not is_done:
                yield f"run {run} is called a success, and was not done"
            is_kept = self._has(run, Trace.KEPT) or run in self._redriven
            is_kept |= not self._evidence.is_whole and not self._has(run, Trace.LETTER)
            if self._ending(run) is Ending.DEAD and not is_kept:
                yield f"run {run} is dead without its payload"
            if self._ending(run) is Ending.DEAD and self._is_blamed_in_vain(run):
                yield f"run {run} is dead, and neither failed nor lost so many workers"

    def _is_blamed_in_vain(self, run: str) -> bool:
        """Whether it is dead of its workers' deaths, and those were too few."""
        last = next(reversed(self._attempts.get(run, [])), None)
        if last is None or last.gone is None or last.gone != self._evidence.killed.get(last.pid):
            return False
        deaths = sum(each.run == run for each in self._evidence.takeovers)
        return deaths < self._evidence.max_crashes

    def _has(self, run: str, trace: Trace) -> bool:
        return trace in self._evidence.traces.get(run, Trace(0))

    def _not_once(self) -> Iterator[str]:
        effects = self._effects()
        yield from (f"effect {key} happened {n} times" for key, n in effects.items() if n > 1)
        told = {line.key for line in self._evidence.lines if line.what == ENDED and line.key}
        yield from (f"effect {key} never happened" for key in sorted(told - effects.keys()))
        yield from taken_again(self._evidence.lines)

    def _not_fenced(self) -> Iterator[str]:
        for run, endings in self._evidence.endings.items():
            if len(endings) > 1:
                yield f"run {run} was ended {len(endings)} times: {', '.join(endings)}"
        stolen = (each for each in self._evidence.takeovers if not each.has_lapsed)
        yield from (f"run {each.run} was taken from {each.loser}, alive" for each in stolen)
        for run, attempts in self._attempts.items():
            yield from (
                f"run {run} began elsewhere while {each.pid} was at work on it"
                for each in overlapping(attempts)
                if not self._has_expired(each)
            )
            yield from self._done_again(run, attempts)
        yield from crowded(chain.from_iterable(self._attempts.values()), self._has_expired)
        tally = self.tally()
        if tally.rerun > tally.in_flight:
            yield f"{tally.rerun} runs began again, and {tally.in_flight} were in flight at a kill"

    def _done_again(self, run: str, attempts: Sequence[Attempt]) -> Iterator[str]:
        """What was done is done again only where its process could not say so."""
        for each in [each for each in attempts[:-1] if each.is_done]:
            if each.pid not in self._evidence.killed and not self._has_expired(each):
                yield f"run {run} was done by {each.pid}, and then again"

    def _has_expired(self, attempt: Attempt) -> bool:
        return (attempt.run, attempt.pid) in self._expired

    def _slow(self) -> Iterator[str]:
        limit = self._evidence.limit * self._evidence.lease
        for each in recoveries(self._evidence, self._tries.values()):
            if each > limit:
                yield f"a killed worker's run waited for {each:.2f} s (limit {limit:g} s)"
        turn = limit * (1 + len(suspects_of(self._evidence)))
        for each in trials(self._evidence, self._tries.values()):
            if each > turn:
                yield f"a suspect waited for {each:.2f} s (limit {turn:g} s)"

    def _ended_workers(self) -> Iterator[str]:
        for life in self._evidence.lives:
            is_killed = life.pid in self._evidence.killed
            if life.ended is not None and not is_killed and not self._began_in_vain(life):
                yield f"worker {life.pid} ended by itself"

    def _began_in_vain(self, life: Life) -> bool:
        """Whether it was only starting, and Redis was away then: it may say so, and end."""
        if life.has_opened or life.ended is None:
            return False
        return any(Span(life.started, life.ended).overlaps(each) for each in self._evidence.outages)
