"""Measures as a busy system would have them: of tasks, of the machine, minute by minute."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.storage.samples import MachineSample

_START = datetime(2026, 11, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """One minute's measures; shares are in percent of 100."""

    timestamp: datetime
    cpu_usage_percent: float
    memory_usage_percent: float
    disk_usage_percent: float
    response_time_ms: float
    execution_time: float
    """In seconds, of a task on average."""
    queue_time: float
    """In seconds, until a task began."""
    throughput: float
    """Tasks in a minute."""
    error_rate: float
    active_connections: int
    retry_count: int


def generate_performance_data(
    count: int = 60, *, seed: int = 7, start: datetime = _START, load: float = 0.5
) -> Sequence[Performance]:
    """So many minutes from `start` on; `load` is how busy it is, from 0 to 1."""
    if not 0 <= load <= 1:
        raise ValueError("load is from 0 to 1")
    chance = random.Random(seed)
    return [_minute(chance, start + timedelta(minutes=number), load) for number in range(count)]


def samples_of(minutes: Sequence[Performance], *, cores: int = 4) -> list[MachineSample]:
    """The same minutes as a machine's worker keeps them; half of a busy processor is waited for."""
    return [
        MachineSample(
            host="here",
            minute=each.timestamp,
            cores=cores,
            cpu_percent=each.cpu_usage_percent,
            memory_percent=each.memory_usage_percent,
            disk_percent=each.disk_usage_percent,
            load_per_core=each.cpu_usage_percent / 200,
            read_rate=0,
            write_rate=0,
            receive_rate=0,
            send_rate=0,
        )
        for each in minutes
    ]


def _minute(chance: random.Random, at: datetime, load: float) -> Performance:
    busy = min(max(chance.gauss(load, 0.08), 0.0), 1.0)
    failing = min(max(chance.gauss(2 + 6 * busy**3, 1), 0.0), 100.0)
    execution = 0.05 + chance.expovariate(1 / (0.2 + busy))
    return Performance(
        timestamp=at,
        cpu_usage_percent=round(100 * busy, 1),
        memory_usage_percent=round(min(30 + 50 * busy + chance.uniform(-2, 2), 100.0), 1),
        disk_usage_percent=round(40 + 5 * busy, 1),
        response_time_ms=round(1000 * execution * chance.uniform(1.0, 1.5), 1),
        execution_time=round(execution, 3),
        queue_time=round(chance.expovariate(1 / (0.1 + busy)), 3),
        throughput=round(60 * (1 - busy / 2) * chance.uniform(0.9, 1.1), 1),
        error_rate=round(failing, 2),
        active_connections=chance.randint(1, 1 + round(50 * busy)),
        retry_count=chance.randint(0, round(3 * busy)),
    )
