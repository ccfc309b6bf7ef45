"""`steward advise`: how busy the machines were, where that leads, what to do about it."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter, validators

from app.cli.answer import Facts, show_facts, show_json, show_table
from app.cli.options import Json
from app.cli.past import Since, begin_of, looking_back

if TYPE_CHECKING:
    from app.observability.advice import Advice, Course

advise = App(name="advise")

_COURSES = ("of", "average", "peak", "trend", "per_hour", "ahead", "confidence")
_TODO = ("priority", "category", "description", "impact", "action")

Ahead = Annotated[
    int,
    Parameter(help="How many hours to look ahead.", validator=validators.Number(gte=1, lte=24)),
]


@advise.default
async def show_advice(*, since: Since = "24h", ahead: Ahead = 6, json: Json = False) -> None:
    """Tell each machine's course from its samples, what is short, and what to do."""
    found = await _advice(since, timedelta(hours=ahead))
    if json:
        show_json([_plain(each) for each in found])
    elif not found:
        print("There are no samples yet: a worker takes one every minute.")
    for each in () if json else found:
        _show(each)


async def _advice(since: str, ahead: timedelta) -> "list[Advice]":
    from app.observability.advice import advise as judged
    from app.settings import read_settings
    from app.storage.samples import Samples

    concurrency = read_settings().worker.concurrency
    async with looking_back() as database:
        samples = Samples(database)
        machines = await samples.machines(begin_of(since))
        queues = await samples.queues(begin_of(since))
    return [
        judged(
            host,
            [each for each in machines if each.host == host],
            queues,
            concurrency=concurrency,
            ahead=ahead,
        )
        for host in sorted({each.host for each in machines})
    ]


def _show(advice: "Advice") -> None:
    show_facts(
        {
            "machine": advice.host,
            "samples": advice.samples,
            "bottleneck": advice.bottleneck or "none",
            "suggested concurrency": advice.concurrency,
        }
    )
    print()
    show_table([*map(_course, advice.courses)], _COURSES, empty="")
    print()
    todo = [asdict(each) for each in advice.recommendations]
    show_table(todo, _TODO, empty="There is nothing to do.")


def _course(course: "Course") -> Facts:
    return {
        "of": course.name,
        "average": course.average,
        "peak": course.peak,
        "trend": course.trend.direction.value,
        "per_hour": round(course.trend.slope, 3),
        "ahead": round(course.ahead.value, 2),
        "ahead_hours": course.ahead.ahead / timedelta(hours=1),
        "confidence": course.ahead.confidence.value,
        "critical_in_hours": course.full_in_hours,
    }


def _plain(advice: "Advice") -> Facts:
    return {**asdict(advice), "courses": [*map(_course, advice.courses)]}
