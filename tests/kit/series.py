"""Samples of machines and queues whose course is known."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from app.storage.samples import MachineSample, QueueSample

START = datetime(2026, 11, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

Value = Callable[[float], float]


def flat(value: float) -> Value:
    """The same at any hour."""
    return lambda _: value


def line(start: float, per_hour: float) -> Value:
    """A straight line, by hours from the first sample on."""
    return lambda hours: start + per_hour * hours


_CPU, _MEMORY, _DISK, _LOAD = flat(10), flat(40), flat(50), flat(0.2)


def machine_series(
    count: int,
    *,
    cpu: Value = _CPU,
    memory: Value = _MEMORY,
    disk: Value = _DISK,
    load: Value = _LOAD,
    cores: int = 4,
    every: timedelta = MINUTE,
    host: str = "here",
) -> list[MachineSample]:
    """So many samples of one machine."""
    moments = [START + number * every for number in range(count)]
    hours = [(moment - START) / timedelta(hours=1) for moment in moments]
    return [
        MachineSample(
            host=host,
            minute=moment,
            cores=cores,
            cpu_percent=cpu(hour),
            memory_percent=memory(hour),
            disk_percent=disk(hour),
            load_per_core=load(hour),
            read_rate=0,
            write_rate=0,
            receive_rate=0,
            send_rate=0,
        )
        for moment, hour in zip(moments, hours, strict=True)
    ]


def queue_series(count: int, *, ready: Value, queue: str = "email") -> list[QueueSample]:
    """So many samples of one queue, a minute apart."""
    return [
        QueueSample(
            queue=queue,
            minute=START + number * MINUTE,
            ready=round(ready(number / 60)),
            deferred=0,
            running=0,
        )
        for number in range(count)
    ]
