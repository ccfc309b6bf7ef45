"""Advice: what the samples of a machine and its queues say, and what to do about it.

Shares are in percent of 100, the load in processes for each processor, rates in bytes a second.
What is high or critical is what the replaced system called so. Pure: samples in, advice out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from app.observability.trend import Forecast, Point, Trend, forecast, hours_until, trend_of
from app.storage.samples import MachineSample, QueueSample

_SOON = timedelta(hours=6)  # what fills up within the working day is worth a word


class Priority(StrEnum):
    """How urgent a piece of advice is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Something that may run short."""

    name: str
    high: float
    critical: float
    value: Callable[[MachineSample], float]
    most: float = 100.0
    impact: str
    """What comes of it when it is critical."""
    action: str


KINDS: Final = (
    Kind(
        name="cpu",
        high=70,
        critical=90,
        value=lambda each: each.cpu_percent,
        impact="runs take longer",
        action="lower STEWARD_WORKER__CONCURRENCY, or add a machine with a worker",
    ),
    Kind(
        name="memory",
        high=80,
        critical=95,
        value=lambda each: each.memory_percent,
        impact="a worker may be killed in the middle of its runs",
        action="set STEWARD_WORKER__MAX_MEMORY, or run fewer processes",
    ),
    Kind(
        name="disk",
        high=80,
        critical=95,
        value=lambda each: each.disk_percent,
        impact="soon nothing can be written: no run, no mail, no history",
        action="look at the home's backups and logs; `steward enqueue files.cleanup_temp_files`",
    ),
    Kind(
        name="load",
        high=0.8,
        critical=1.2,
        value=lambda each: each.load_per_core,
        most=float("inf"),
        impact="runs take longer",
        action="lower STEWARD_WORKER__CONCURRENCY: more wants a processor than there are",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How one kind went, and where it goes."""

    name: str
    average: float
    peak: float
    trend: Trend
    ahead: Forecast
    full_in_hours: float | None
    """When it will be critical, if it goes on like that and that is within a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What to do, and why."""

    category: str
    priority: Priority
    description: str
    impact: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the samples of one machine say."""

    host: str
    samples: int
    courses: tuple[Course, ...]
    bottleneck: str
    """What is shortest, if anything is high; a queue that grows counts."""
    concurrency: int
    """How many runs at once would suit, for each process."""
    recommendations: tuple[Recommendation, ...]


def advise(
    host: str,
    machine: Sequence[MachineSample],
    queues: Sequence[QueueSample],
    *,
    concurrency: int,
    ahead: timedelta = _SOON,
) -> Advice:
    """What these samples of one machine say, for a worker of so many runs at once."""
    courses = tuple(_course(kind, machine, ahead) for kind in KINDS) if machine else ()
    backlog = _backlog(queues)
    cores = machine[-1].cores if machine else 1
    return Advice(
        host=host,
        samples=len(machine),
        courses=courses,
        bottleneck=_bottleneck(courses, backlog),
        concurrency=_suggested(courses, concurrency, cores=cores),
        recommendations=(*_short(courses), *_growing(backlog)),
    )


def suggest_concurrency(now: int, *, cpu: float, load: float, memory: float, cores: int) -> int:
    """How many runs at once would suit: fewer on a busy machine, more on an idle one.

    A busy processor takes a fifth, a high load three tenths; an idle machine gives a fifth, up to
    two for each core, unless more than 60 % of the memory is in use. Never less than one.
    """
    suggested = now
    if load >= _of("load").high:
        suggested = int(now * 0.7)
    elif cpu >= _of("cpu").high:
        suggested = int(now * 0.8)
    elif cpu < _IDLE and memory <= _ROOMY and now < 2 * cores:
        suggested = min(max(int(now * 1.2), now + 1), 2 * cores)
    return max(1, suggested)


_IDLE, _ROOMY = 30.0, 60.0  # percent


def _of(name: str) -> Kind:
    return next(kind for kind in KINDS if kind.name == name)


def _course(kind: Kind, machine: Sequence[MachineSample], ahead: timedelta) -> Course:
    points: list[Point] = [(each.minute, kind.value(each)) for each in machine]
    values = [value for _, value in points]
    trend = trend_of(points)
    return Course(
        name=kind.name,
        average=round(sum(values) / len(values), 2),
        peak=max(values),
        trend=trend,
        ahead=forecast(trend, ahead, most=kind.most),
        full_in_hours=hours_until(trend, kind.critical),
    )


def _suggested(courses: Sequence[Course], now: int, *, cores: int) -> int:
    average = {course.name: course.average for course in courses}
    if not average:
        return now
    return suggest_concurrency(
        now, cpu=average["cpu"], load=average["load"], memory=average["memory"], cores=cores
    )


def _backlog(queues: Sequence[QueueSample]) -> dict[str, Trend]:
    """Queues in which more and more is ready."""
    points = dict[str, list[Point]]()
    for each in queues:
        points.setdefault(each.queue, []).append((each.minute, float(each.ready)))
    trends = {name: trend_of(found) for name, found in points.items()}
    return {each: it for each, it in trends.items() if it.is_clear and it.slope >= 1 <= it.level}


def _bottleneck(courses: Sequence[Course], backlog: dict[str, Trend]) -> str:
    """The kind furthest above what is high; else the queue that grows fastest."""
    above = {each.name: each.average / _of(each.name).high for each in courses}
    worst = max(above, key=above.__getitem__, default="")
    if worst and above[worst] >= 1:
        return worst
    growing = max(backlog, key=lambda name: backlog[name].slope, default="")
    return f"queue {growing}" if growing else ""


def _short(courses: Sequence[Course]) -> list[Recommendation]:
    found = list[Recommendation]()
    for course in courses:
        kind = _of(course.name)
        if course.average >= kind.high:
            is_critical = course.average >= kind.critical
            found.append(
                Recommendation(
                    category=course.name,
                    priority=Priority.HIGH if is_critical else Priority.MEDIUM,
                    description=f"{course.name} is at {_amount(course, course.average)} on average,"
                    f" {_amount(course, course.peak)} at most",
                    impact=kind.impact if is_critical else "there is little room for a busy hour",
                    action=kind.action,
                )
            )
        elif course.full_in_hours is not None and course.peak < kind.critical:
            slope = _amount(course, course.trend.slope)
            found.append(
                Recommendation(
                    category=course.name,
                    priority=Priority.LOW,
                    description=f"{course.name} rises by {slope} an hour",
                    impact=f"it is critical in {course.full_in_hours:.1f} hours if that goes on",
                    action=kind.action,
                )
            )
    return found


def _amount(course: Course, value: float) -> str:
    """Load is a number of programs, the others are percent."""
    return f"{value:.1f}" if course.name == "load" else f"{value:.1f} %"


def _growing(backlog: dict[str, Trend]) -> list[Recommendation]:
    return [
        Recommendation(
            category="queue",
            priority=Priority.MEDIUM,
            description=f"{name} grows by {trend.slope:.0f} runs an hour",
            impact=f"{trend.level:.0f} wait, and each new one waits longer",
            action="start another `steward worker`, or give it more slots",
        )
        for name, trend in backlog.items()
    ]
