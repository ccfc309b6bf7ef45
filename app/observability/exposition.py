"""What a worker knows of itself, in the format that Prometheus reads.

steward_attempts_total           attempts by job, queue and outcome
steward_runs_total               runs that are over, each counted once
steward_run_duration_seconds     histogram: what a run's last attempt took
steward_run_wait_seconds         histogram: from due to begun
steward_run_attempts             histogram: how many attempts a run took
steward_run_success_ratio        succeeded of succeeded and dead, since the process began
steward_queue_runs               by queue and state (ready, deferred, running, parked), as Redis
steward_queue_oldest_seconds     ... has them, and how long the first that is ready has waited
steward_dead_letters             how many lie there
steward_redis_up                 0 while Redis does not say: then the three above are missing
steward_worker_*                 slots, memory, processor time and threads of this process
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from app.engine import Ending, QueueDepth
from app.observability.process import ProcessUse
from app.observability.tally import Histogram, JobTally, Tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_JOB = ("job", "queue")


@dataclass(frozen=True, slots=True, kw_only=True)
class InRedis:
    """What Redis says of the queues; all workers tell the same."""

    depths: Sequence[QueueDepth]
    dead_letters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """All that one scrape tells."""

    tally: Tally
    process: ProcessUse
    slots: int
    redis: InRedis | None
    """None while Redis does not answer."""


def exposition(scrape: Scrape) -> bytes:
    """The whole page."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page(scrape))
    return generate_latest(registry)


class _Page(Collector):
    def __init__(self, scrape: Scrape) -> None:
        self._scrape = scrape

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        yield from _of_jobs(self._scrape.tally)
        yield from _of_redis(self._scrape.redis)
        yield from _of_process(self._scrape)


def _of_jobs(tally: Tally) -> Iterator[Metric]:
    yield _by_outcome("steward_attempts", "Attempts by outcome.", tally, lambda job: job.attempts)
    yield _by_outcome("steward_runs", "Runs that are over.", tally, lambda job: job.runs)
    ratio = GaugeMetricFamily("steward_run_success_ratio", "Succeeded runs.", labels=_JOB)
    for labels, job in tally.jobs.items():
        if (share := job.success_ratio) is not None:
            ratio.add_metric(labels, share)
    yield ratio
    seconds = "steward_run_duration_seconds", "What the last attempt of a run took."
    yield _histogram(*seconds, tally, lambda job: job.duration)
    waited = "steward_run_wait_seconds", "From when a run was due until it began."
    yield _histogram(*waited, tally, lambda job: job.wait)
    tries = "steward_run_attempts", "How many attempts a run took."
    yield _histogram(*tries, tally, lambda job: job.tries)


def _by_outcome(
    name: str, purpose: str, tally: Tally, counts: Callable[[JobTally], dict[Ending, int]]
) -> Metric:
    family = CounterMetricFamily(name, purpose, labels=(*_JOB, "outcome"))
    for labels, job in tally.jobs.items():
        for ending, count in counts(job).items():
            family.add_metric((*labels, ending.value), count)
    return family


def _histogram(
    name: str, purpose: str, tally: Tally, values: Callable[[JobTally], Histogram]
) -> Metric:
    family = HistogramMetricFamily(name, purpose, labels=_JOB)
    for labels, job in tally.jobs.items():
        histogram = values(job)
        family.add_metric(labels, _cumulative(histogram), sum_value=histogram.total)
    return family


def _cumulative(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [*map(str, histogram.bounds), "+Inf"]
    so_far, buckets = 0, list[tuple[str, float]]()
    for bound, count in zip(bounds, histogram.counts, strict=True):
        so_far += count
        buckets.append((bound, so_far))
    return buckets


def _of_redis(redis: InRedis | None) -> Iterator[Metric]:
    yield GaugeMetricFamily("steward_redis_up", "Whether Redis answers.", value=redis is not None)
    if redis is None:
        return
    depth = GaugeMetricFamily("steward_queue_runs", "Runs in a queue.", labels=("queue", "state"))
    oldest = GaugeMetricFamily(
        "steward_queue_oldest_seconds", "How long its first run waits.", labels=("queue",)
    )
    for each in redis.depths:
        for state in ("ready", "deferred", "running", "parked"):
            depth.add_metric((each.name, state), getattr(each, state))
        oldest.add_metric((each.name,), each.oldest_wait.total_seconds())
    yield from (depth, oldest)
    yield GaugeMetricFamily("steward_dead_letters", "Dead letters.", value=redis.dead_letters)


def _of_process(scrape: Scrape) -> Iterator[Metric]:
    use = scrape.process
    yield GaugeMetricFamily("steward_worker_slots", "Runs it has at once.", value=scrape.slots)
    yield GaugeMetricFamily(
        "steward_worker_memory_bytes", "Resident memory of this process.", value=use.memory_bytes
    )
    yield CounterMetricFamily(
        "steward_worker_cpu_seconds", "Processor time of this process.", value=use.cpu_seconds
    )
    yield GaugeMetricFamily("steward_worker_threads", "Its threads.", value=use.threads)
    yield GaugeMetricFamily("steward_worker_start_seconds", "Its start.", value=use.started_at)
