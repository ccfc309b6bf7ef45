"""When somebody has to be told: the rules, and whether what was seen breaks one.

    failure-rate        10 % or more of the runs of 15 minutes failed        warning
    failure-rate-high   25 % or more                                         critical, by mail too
    memory              90 % or more of a machine's memory, for 5 minutes    warning
    cpu                 90 % or more of its processors, for 5 minutes        warning
    queue               100 or more runs ready in a queue, for 5 minutes     warning
    worker-died         a worker process is gone without a goodbye           warning
    schedule-dead       the latest run of a schedule is a dead letter        critical, by mail too
    unhealthy           the latest health check found something unhealthy    critical, by mail too

A threshold belongs to the worse side. What is to last for a window must have been so in every
sample of it, and there must be samples from its beginning on: a moment's peak is no alert.
Failures are a share of a domain's runs, what stands before the dot in a job's name: else the looks
each minute that always go well would hide a domain that is dead. Over all domains together they are
told where none of them is bad by itself. A share needs ten runs, of a domain else three failures,
so that one failure in a quiet night is not 100 %. A run counts by its latest attempt: one that
failed and is to be tried again is a failure until then. By mail goes what is critical, unless it is
set otherwise.

Whether what was seen breaks one is in breaches.py.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from app.services.alert_report import Channel
from app.storage.alerts import Severity


class Measure(StrEnum):
    """What a rule looks at."""

    FAILED_PERCENT = "failed_percent"
    MEMORY_PERCENT = "memory_percent"
    CPU_PERCENT = "cpu_percent"
    READY_RUNS = "ready_runs"
    DEAD_WORKERS = "dead_workers"
    DEAD_SCHEDULES = "dead_schedules"
    UNHEALTHY_PARTS = "unhealthy_parts"


_USUAL: Final = (Channel.LOG, Channel.SLACK, Channel.WEBHOOK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that should not be."""

    name: str
    measure: Measure
    threshold: float
    """In percent of 100, or a number of runs, workers, schedules or parts."""
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
    Rule(
        name="schedule-dead",
        measure=Measure.DEAD_SCHEDULES,
        threshold=1,
        window=timedelta(hours=3),  # the longest between two ticks of a day's work is two
        severity=Severity.CRITICAL,
        channels=(*_USUAL, Channel.MAIL),
    ),
    Rule(
        name="unhealthy",
        measure=Measure.UNHEALTHY_PARTS,
        threshold=1,
        window=timedelta(hours=2, minutes=15),  # it is looked every two hours
        severity=Severity.CRITICAL,
        channels=(*_USUAL, Channel.MAIL),
    ),
)


class DuplicateRule(ValueError):
    """Two rules share a name: one would hide the other."""


def refuse_duplicates(rules: Iterable[Rule]) -> None:
    """Raise `DuplicateRule` when two rules share a name."""
    names = set[str]()
    for each in rules:
        if each.name in names:
            raise DuplicateRule(f"two rules are called {each.name}")
        names.add(each.name)


def by_mail(rules: Iterable[Rule], severities: Collection[Severity]) -> tuple[Rule, ...]:
    """The same rules, of which those of these severities go by mail, too."""
    return tuple(
        replace(
            rule,
            channels=(
                *(each for each in rule.channels if each is not Channel.MAIL),
                *((Channel.MAIL,) if rule.severity in severities else ()),
            ),
        )
        for rule in rules
    )
