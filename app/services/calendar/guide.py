"""Leads to a first real calendar: what was tried, what came of it, and what to do next."""

from collections.abc import Sequence
from typing import Final

from app.services.calendar.source import CalendarError, CalendarSource, SourceRefused
from app.services.step import Step

_READY: Final = (
    "next: `steward enqueue sync.sync_calendar_events` reads them now, and the timetable each hour"
)
_ACCOUNT: Final = (
    "next: put .ics files into the folder, or set STEWARD_CALENDAR__CALDAV__URL, "
    "STEWARD_CALENDAR__CALDAV__USERNAME and STEWARD_CALENDAR__CALDAV__PASSWORD in .env for an "
    "account, or STEWARD_CALENDAR__FEEDS for addresses of .ics files, and check again"
)
_LOGIN: Final = (
    "next: many providers want an app password in place of the usual one: make one in the "
    "account's security settings, set it in .env, and check again"
)


async def guide(sources: Sequence[CalendarSource]) -> tuple[Step, ...]:
    """Try each source, one after the other; a failing one stops none."""
    steps = [await _try(each) for each in sources]
    if not any(each.is_account for each in sources):
        steps.append(Step(tried="find an account", said="none is configured", advice=_ACCOUNT))
    elif all(each.is_well for each in steps):
        steps.append(Step(tried="all of it", said="works", advice=_READY))
    return tuple(steps)


async def _try(source: CalendarSource) -> Step:
    tried = f"read {source.label}"
    try:
        return Step(tried=tried, said="; ".join(await source.check()))
    except CalendarError as error:
        said = f"{source.label}: {error}; check {source.setting}"
        return Step(tried=tried, said=said, advice=_advice(error), is_well=False)


def _advice(error: CalendarError) -> str:
    if not isinstance(error, SourceRefused):
        return "next: open the address in a browser on this machine; if that works, check again"
    if "password" in str(error):
        return _LOGIN
    return "next: change the setting named above in .env, and check again"
