"""`steward schedules`: what the clock starts, and when next."""

import heapq
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter, validators

from app.cli.answer import Facts, show_json, show_table
from app.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from app.engine import Schedule

schedules = App(name="schedules")

Count = Annotated[int, Parameter(name="N", validator=validators.Number(gte=1, lte=10_000))]


@schedules.default
def list_schedules(*, json: Json = False) -> None:
    """List the timetable, with each schedule's next tick."""
    from app.timetable import TIMETABLE

    now = _now()
    rows = [_facts(each, each.cron.next_after(now)) for each in TIMETABLE]
    _show(rows, ("schedule", "cron", "zone", "job", "queue", "next_at"), as_json=json)


@schedules.command(name="next")
def list_next(count: Count = 10, /, *, json: Json = False) -> None:
    """List the next N ticks of all schedules, in their order.

    Parameters
    ----------
    count
        How many.
    """
    from app.timetable import TIMETABLE

    ticks = _ticks(TIMETABLE, _now())
    rows = [_facts(each, tick) for _, (tick, _, each) in zip(range(count), ticks, strict=False)]
    _show(rows, ("next_at", "schedule", "job", "queue"), as_json=json)


def _now() -> "datetime":
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _ticks(
    timetable: "Iterable[Schedule]", after: "datetime"
) -> "Iterator[tuple[datetime, int, Schedule]]":
    """Every tick later than `after`, over all schedules, for ever."""
    waiting = [(each.cron.next_after(after), n, each) for n, each in enumerate(timetable)]
    heapq.heapify(waiting)
    while waiting:
        tick, n, each = waiting[0]
        yield tick, n, each
        heapq.heapreplace(waiting, (each.cron.next_after(tick), n, each))


def _facts(schedule: "Schedule", tick: "datetime") -> Facts:
    return {
        "schedule": schedule.name,
        "cron": schedule.cron.expression,
        "zone": schedule.cron.tz,
        "job": schedule.call.job.name,
        "queue": schedule.call.job.queue,
        "next_at": tick,
    }


def _show(rows: list[Facts], columns: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        show_json(rows)
    else:
        if all(each["job"] == each["schedule"] for each in rows):
            columns = tuple(each for each in columns if each != "job")
        show_table(rows, columns, empty="The timetable is empty.")
