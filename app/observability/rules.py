"""When somebody has to be told: the rules, and whether what was seen breaks one.

    failure-rate        10 % or more of the runs of 15 minutes failed        warning
    failure-rate-high   25 % or more                                         critical, by mail too
    memory              90 % or more of a machine's memory, for 5 minutes    warning
    cpu                 90 % or more of its processors, for 5 minutes        warning
    queue               100 or more runs ready in a queue, for 5 minutes     warning
    worker-died         a worker process is gone without a goodbye           warning

A threshold belongs to the worse side. What is to last for a window must have been so in every
sample of it, and there must be samples from its beginning on: a moment's peak is no alert.
A share of failed runs needs ten of them, so that one failure in a quiet night is not 100 %. A run
counts by its latest attempt: one that failed and is to be tried again is a failure until then.

Pure: what was seen comes in, breaches come out.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar

from app.services.alert_report import Channel
from app.storage.alerts import Breach, Severity
from app.storage.samples import MachineSample, QueueSample
from app.storage.sightings import Sighting

PERIOD: Final = timedelta(minutes=1)
"""How often there is a sample."""
LATE: Final = timedelta(seconds=90)
"""How old the latest sample may be beyond that: a job does not start at once."""
FEWEST_RUNS: Final = 10

T = TypeVar("T")


class Measure(StrEnum):
    """What a rule looks at."""

    FAILED_PERCENT = "failed_percent"
    MEMORY_PERCENT = "memory_percent"
    CPU_PERCENT = "cpu_percent"
    READY_RUNS = "ready_runs"
    DEAD_WORKERS = "dead_workers"


_USUAL: Final = (Channel.LOG, Channel.SLACK, Channel.WEBHOOK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that should not be."""

    name: str
    measure: Measure
    threshold: float
    """In percent of 100, or a number of runs or workers."""
    window: timedelta
    severity: Severity = Severity.WARNING
    channels: tuple[Channel, ...] = _USUAL


RULES: Final = (
    Rule(
        name="failure-rate",
        measure=Measure.FAILED_PERCENT,
        threshold=10,
        window=timedelta(minutes=15),
    ),
    Rule(
        name="failure-rate-high",
        measure=Measure.FAILED_PERCENT,
        threshold=25,
        window=timedelta(minutes=15),
        severity=Severity.CRITICAL,
        channels=(*_USUAL, Channel.MAIL),
    ),
    Rule(
        name="memory",
        measure=Measure.MEMORY_PERCENT,
        threshold=90,
        window=timedelta(minutes=5),
    ),
    Rule(name="cpu", measure=Measure.CPU_PERCENT, threshold=90, window=timedelta(minutes=5)),
    Rule(name="queue", measure=Measure.READY_RUNS, threshold=100, window=timedelta(minutes=5)),
    Rule(
        name="worker-died",
        measure=Measure.DEAD_WORKERS,
        threshold=1,
        window=timedelta(minutes=15),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunShare:
    """How many runs of a window failed."""

    failed: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What there was to see."""

    now: datetime
    runs: Callable[[timedelta], RunShare]
    """The runs whose latest attempt ended within this window."""
    machines: Sequence[MachineSample] = ()
    queues: Sequence[QueueSample] = ()
    dead: Sequence[Sighting] = ()
    """Workers that are gone without a goodbye."""


class DuplicateRule(ValueError):
    """Two rules share a name: one would hide the other."""


def refuse_duplicates(rules: Iterable[Rule]) -> None:
    """Raise `DuplicateRule` when two rules share a name."""
    names = set[str]()
    for each in rules:
        if each.name in names:
            raise DuplicateRule(f"two rules are called {each.name}")
        names.add(each.name)


def breaches(rules: Iterable[Rule], seen: Seen) -> list[Breach]:
    """What breaks which rule, in the rules' order."""
    return [breach for rule in rules for breach in _OF[rule.measure](rule, seen)]


def _failures(rule: Rule, seen: Seen) -> Iterator[Breach]:
    share = seen.runs(rule.window)
    if share.total < FEWEST_RUNS:
        return
    percent = 100 * share.failed / share.total
    if percent >= rule.threshold:
        line = f"{share.failed} of {share.total} runs failed in {_span(rule.window)}"
        yield _breach(rule, percent, f"{line}: {percent:.1f} %")


def _memory(rule: Rule, seen: Seen) -> Iterator[Breach]:
    for host, least in _lasting(rule, seen, seen.machines, _host, lambda each: each.memory_percent):
        line = f"{host}: memory at {least:.1f} % or more for {_span(rule.window)}"
        yield _breach(rule, least, line, subject=host)


def _cpu(rule: Rule, seen: Seen) -> Iterator[Breach]:
    for host, least in _lasting(rule, seen, seen.machines, _host, lambda each: each.cpu_percent):
        line = f"{host}: processors at {least:.1f} % or more for {_span(rule.window)}"
        yield _breach(rule, least, line, subject=host)


def _ready(rule: Rule, seen: Seen) -> Iterator[Breach]:
    for queue, least in _lasting(rule, seen, seen.queues, _queue, lambda each: each.ready):
        line = f"{queue}: {least:.0f} runs or more are ready, for {_span(rule.window)}"
        yield _breach(rule, least, line, subject=queue)


def _dead(rule: Rule, seen: Seen) -> Iterator[Breach]:
    for each in seen.dead:
        if seen.now - each.seen_at <= rule.window:
            line = f"worker {each.worker} (process {each.pid} of {each.host}) died"
            yield _breach(rule, 1, line, subject=each.worker)


_OF: Final = {
    Measure.FAILED_PERCENT: _failures,
    Measure.MEMORY_PERCENT: _memory,
    Measure.CPU_PERCENT: _cpu,
    Measure.READY_RUNS: _ready,
    Measure.DEAD_WORKERS: _dead,
}


def _host(sample: MachineSample) -> tuple[str, datetime]:
    return sample.host, sample.minute


def _queue(sample: QueueSample) -> tuple[str, datetime]:
    return sample.queue, sample.minute


def _lasting(
    rule: Rule,
    seen: Seen,
    samples: Iterable[T],
    place: Callable[[T], tuple[str, datetime]],
    value: Callable[[T], float],
) -> Iterator[tuple[str, float]]:
    """Who was at the threshold all through the window, and the least of it."""
    begin, found = seen.now - rule.window, defaultdict[str, list[tuple[datetime, float]]](list)
    for sample in samples:
        name, minute = place(sample)
        if begin - PERIOD < minute <= seen.now:
            found[name].append((minute, value(sample)))
    for name, values in found.items():
        first, last = min(values)[0], max(values)[0]
        is_covered = first <= begin and last >= seen.now - PERIOD - LATE
        least = min(number for _, number in values)
        if is_covered and least >= rule.threshold:
            yield name, least


def _breach(rule: Rule, value: float, line: str, *, subject: str = "") -> Breach:
    return Breach(
        rule=rule.name, subject=subject, severity=rule.severity, value=round(value, 2), line=line
    )


def _span(window: timedelta) -> str:
    return f"{window // timedelta(minutes=1)} minutes"
