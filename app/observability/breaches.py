"""Whether what was seen breaks a rule. Pure: what was seen comes in, breaches come out."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, TypeVar

from app.observability.rules import Measure, Rule
from app.observability.seen import RunShare, Seen
from app.storage.alerts import Breach
from app.storage.samples import MachineSample, QueueSample

PERIOD: Final = timedelta(minutes=1)
"""How often there is a sample."""
LATE: Final = timedelta(seconds=90)
"""How old the latest sample may be beyond that: a job does not start at once."""
FEWEST_RUNS: Final = 10
FEWEST_FAILURES: Final = 3
"""Of a domain, where it has fewer runs than that."""

T = TypeVar("T")


def breaches(rules: Iterable[Rule], seen: Seen) -> list[Breach]:
    """What breaks which rule, in the rules' order."""
    return [breach for rule in rules for breach in _OF[rule.measure](rule, seen)]


def _failures(rule: Rule, seen: Seen) -> Iterator[Breach]:
    shares = seen.runs(rule.window)
    bad = {
        domain: share
        for domain, share in shares.items()
        if share.percent >= rule.threshold
        and (share.total >= FEWEST_RUNS or share.failed >= FEWEST_FAILURES)
    }
    for domain, share in bad.items():
        line = f"{domain}: {_failed(share, rule)}"
        yield _breach(rule, share.percent, line, subject=domain)
    if bad:
        return
    total = RunShare(
        failed=sum(each.failed for each in shares.values()),
        total=sum(each.total for each in shares.values()),
    )
    if total.total >= FEWEST_RUNS and total.percent >= rule.threshold:
        yield _breach(rule, total.percent, _failed(total, rule))


def _failed(share: RunShare, rule: Rule) -> str:
    line = f"{share.failed} of {share.total} runs failed in {_span(rule.window)}"
    return f"{line}: {share.percent:.1f} %"


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


def _dead_schedules(rule: Rule, seen: Seen) -> Iterator[Breach]:
    for each in seen.given_up:
        if seen.now - each.ended_at <= rule.window:
            line = f"{each.job}: its run {each.run_id} is a dead letter ({each.error})"
            yield _breach(rule, 1, line, subject=each.job)


def _unhealthy(rule: Rule, seen: Seen) -> Iterator[Breach]:
    check = seen.health
    if check is None or seen.now - check.checked_at > rule.window:
        return
    bad = check.unhealthy
    if len(bad) >= rule.threshold:
        yield _breach(rule, len(bad), "; ".join(bad))


_OF: Final = {
    Measure.FAILED_PERCENT: _failures,
    Measure.MEMORY_PERCENT: _memory,
    Measure.CPU_PERCENT: _cpu,
    Measure.READY_RUNS: _ready,
    Measure.DEAD_WORKERS: _dead,
    Measure.DEAD_SCHEDULES: _dead_schedules,
    Measure.UNHEALTHY_PARTS: _unhealthy,
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
