"""The attempts of a case, put together from the lines that jobs left in the ledger."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from math import inf

from tests.life.evidence import Evidence, Span, Try
from tests.life.ledger import Line

BEGUN, ENDED, LEFT = "begun", "ended", "left"
"""What a job writes: first of all, when it has done all it had to, or when it ends before."""

HEARD = "heard"
"""What others say of an attempt that wrote nothing."""

_BEFORE = 0.001  # s before its worker was killed an attempt was there, if nobody knows better
_SOME = 1_000_000  # the number of an attempt that nobody knows


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One try of one run, as its own process wrote it down."""

    run: str
    pid: int
    begun: float
    gone: float | None = None
    """When it can't have been at work any more: it was over, or its process was killed."""
    place: str = ""
    """What only so many may be at work on."""
    is_done: bool = False
    """Whether it did all it had to."""
    is_told: bool = True
    """Whether it tells when it begins and ends; of others the first line is the beginning."""


def attempts_of(evidence: Evidence) -> dict[str, list[Attempt]]:
    """The attempts of each run, in the order they began.

    Of a story that is not whole also those of which there is another line, an event, or nothing
    but the death of the worker that had it.
    """
    found, at_work = dict[str, list[Attempt]](), dict[Try, Attempt]()
    seen = set[Try]()
    for line in [*evidence.lines] if evidence.is_whole else _with_others(evidence):
        who = (line.run, line.attempt, line.pid)
        is_first = not evidence.is_whole and bool(line.run and line.attempt) and who not in seen
        if line.what == BEGUN or is_first:
            at_work[who] = Attempt(
                run=line.run,
                pid=line.pid,
                begun=line.at,
                place=line.key if line.what == BEGUN else "",
                is_told=line.what == BEGUN,
            )
            found.setdefault(line.run, []).append(at_work[who])
            seen.add(who)
        elif line.what in (ENDED, LEFT) and who in at_work:
            attempt = at_work.pop(who)
            attempt.gone, attempt.is_done = line.at, line.what == ENDED
    for attempt in chain.from_iterable(found.values()):
        if attempt.gone is None:
            attempt.gone = evidence.killed.get(attempt.pid)
    return found


def _with_others(evidence: Evidence) -> list[Line]:
    """The lines, and what is known of attempts that wrote none."""
    tell = {(each.run, each.attempt, each.pid) for each in evidence.lines if each.what == BEGUN}
    more = list[Line]()
    for (run, attempt, pid), span in evidence.heard.items():
        if (run, attempt, pid) not in tell:
            more += [
                Line(what=HEARD, run=run, attempt=attempt, pid=pid, at=span.begin),
                Line(what=LEFT, run=run, attempt=attempt, pid=pid, at=span.end),
            ]
    known = {(each.run, each.pid) for each in [*evidence.lines, *more]}
    for each in evidence.takeovers:
        if each.loser in evidence.killed and (each.run, each.loser) not in known:
            at = evidence.killed[each.loser] - _BEFORE
            more.append(Line(what=HEARD, run=each.run, attempt=_SOME, pid=each.loser, at=at))
    return sorted([*evidence.lines, *more], key=lambda each: each.at)


def overlapping(attempts: Sequence[Attempt]) -> Iterator[Attempt]:
    """Those that were still at work when the next one began."""
    for earlier, later in pairwise(attempts):
        if earlier.gone is None or earlier.gone > later.begun:
            yield earlier


def recoveries(evidence: Evidence, attempts: Iterable[Sequence[Attempt]]) -> Iterator[float]:
    """How long each run that was killed with its process had to wait until it began again.

    Whoever took it over may have been killed, too, before it began: then it waits since that. Of
    that time the longest stretch counts in which Redis served without a break. Of a run that is to
    be tried alone, since several workers died with it, `trials` tells.
    """
    suspects = suspects_of(evidence)
    return (waited for run, waited in _waits(evidence, attempts) if run not in suspects)


def trials(evidence: Evidence, attempts: Iterable[Sequence[Attempt]]) -> Iterator[float]:
    """The same of the runs that were to be tried alone, which waited for their turn, too."""
    suspects = suspects_of(evidence)
    return (waited for run, waited in _waits(evidence, attempts) if run in suspects)


def suspects_of(evidence: Evidence) -> set[str]:
    """The runs that were to be tried alone."""
    return {each.run for each in evidence.takeovers if each.is_suspect}


def _waits(
    evidence: Evidence, attempts: Iterable[Sequence[Attempt]]
) -> Iterator[tuple[str, float]]:
    killed = _killed_with(evidence, attempts := [*attempts])
    for each, until in chain.from_iterable(_stretches(evidence, some) for some in attempts):
        moments = [at for at in killed[each.run] if each.begun < at < until]
        if moments and each.pid in evidence.killed and each.gone == evidence.killed[each.pid]:
            begin = max(moments)
            span = Span(max(begin, _another_came(evidence, each, after=begin)), until)
            if span.begin < span.end:
                yield each.run, longest_calm(span, evidence.outages)


def _stretches(evidence: Evidence, attempts: Sequence[Attempt]) -> Iterator[tuple[Attempt, float]]:
    """Each attempt, and when the next one began; or when the story ended, with no other begun."""
    for earlier, later in pairwise(attempts):
        yield earlier, later.begun
    last = attempts[-1]
    if evidence.until is not None and not evidence.endings.get(last.run):
        yield last, evidence.until


def _another_came(evidence: Evidence, lost: Attempt, *, after: float) -> float:
    """When there was another worker for the run of this one, which was not killed before."""
    if not evidence.arrivals:
        return after
    queue, never = evidence.queues.get(lost.run), inf
    return min(
        (
            each.at
            for each in evidence.arrivals
            if each.pid != lost.pid
            and (queue is None or queue in each.queues)
            and evidence.killed.get(each.pid, never) > after
        ),
        default=never,
    )


def _killed_with(
    evidence: Evidence, attempts: Iterable[Sequence[Attempt]]
) -> Mapping[str, list[float]]:
    """When each run lost a process that had it, at work or about to begin."""
    found = defaultdict[str, list[float]](list)
    held = [(each.run, each.pid) for each in chain.from_iterable(attempts)]
    for run, pid in {*held, *((each.run, each.loser) for each in evidence.takeovers)}:
        if pid in evidence.killed:
            found[run].append(evidence.killed[pid])
    return found


def longest_calm(span: Span, outages: Iterable[Span]) -> float:
    """The longest time in this span without an outage."""
    began, longest = span.begin, 0.0
    for outage in sorted(outages, key=lambda each: each.begin):
        if outage.overlaps(span):
            longest = max(longest, outage.begin - began)
            began = max(began, outage.end)
    return max(longest, span.end - began)
