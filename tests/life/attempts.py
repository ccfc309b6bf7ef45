"""The attempts of a case, put together from the lines that jobs left in the ledger."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from tests.life.evidence import Evidence, Span

BEGUN, ENDED, LEFT = "begun", "ended", "left"
"""What a job writes: first of all, when it has done all it had to, or when it ends before."""


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


def attempts_of(evidence: Evidence) -> dict[str, list[Attempt]]:
    """The attempts of each run, in the order they began."""
    found, at_work = dict[str, list[Attempt]](), dict[tuple[str, int, int], Attempt]()
    for line in evidence.lines:
        who = (line.run, line.attempt, line.pid)
        if line.what == BEGUN:
            at_work[who] = Attempt(run=line.run, pid=line.pid, begun=line.at, place=line.key)
            found.setdefault(line.run, []).append(at_work[who])
        elif line.what in (ENDED, LEFT) and who in at_work:
            attempt = at_work.pop(who)
            attempt.gone, attempt.is_done = line.at, line.what == ENDED
    for attempt in chain.from_iterable(found.values()):
        if attempt.gone is None:
            attempt.gone = evidence.killed.get(attempt.pid)
    return found


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
    killed = _killed_with(evidence)
    for earlier, later in chain.from_iterable(map(pairwise, attempts)):
        moments = [at for at in killed[earlier.run] if earlier.begun < at < later.begun]
        if moments and earlier.gone == evidence.killed.get(earlier.pid):
            span = Span(max(moments), later.begun)
            yield earlier.run, longest_calm(span, evidence.outages)


def _killed_with(evidence: Evidence) -> Mapping[str, list[float]]:
    """When each run lost a process that had it, at work or about to begin."""
    found = defaultdict[str, list[float]](list)
    held = [(each.run, each.pid) for each in evidence.lines if each.what == BEGUN]
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
