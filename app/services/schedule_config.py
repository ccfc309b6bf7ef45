"""Schedules as the database and the jobs' arguments write them: a type, and a small JSON object.

    type      configuration                          left out
    once      run_at (ISO; without an offset it is   -
              the time on the user's wall)
    daily     hour, minute                           9, 0
    weekly    weekdays (0 is Monday), hour, minute   [0], 9, 0
    monthly   day, hour, minute                      1, 9, 0
    custom    cron, or interval_minutes with since   since: now

A key that is unknown, or a value of another kind, is refused by name: a mistyped `hours` must not
quietly become nine o'clock.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from app.services.bad_field import BadSchedule
from app.services.recurrence import (
    Cron,
    Daily,
    Interval,
    Monthly,
    Once,
    Schedule,
    Weekly,
)
from app.services.wall_clock import moment_at
from app.storage.task import ScheduleType

Config = dict[str, int | float | str | list[int]]

_KEYS = {
    ScheduleType.ONCE: {"run_at"},
    ScheduleType.DAILY: {"hour", "minute"},
    ScheduleType.WEEKLY: {"weekdays", "hour", "minute"},
    ScheduleType.MONTHLY: {"day", "hour", "minute"},
    ScheduleType.CUSTOM: {"cron", "interval_minutes", "since"},
}


def schedule_type(name: str) -> ScheduleType:
    """The type with this name; raises `BadSchedule`."""
    try:
        return ScheduleType(name)
    except ValueError:
        known = ", ".join(ScheduleType)
        raise BadSchedule("schedule_type", f"{name[:40]!r} is none of {known}") from None


def read_schedule(
    kind: ScheduleType, config: Mapping[str, object], *, zone: ZoneInfo, now: datetime
) -> Schedule:
    """The schedule this configuration describes; raises `BadSchedule` naming the field."""
    for key in sorted(config.keys() - _KEYS[kind]):
        raise BadSchedule(key[:40], f"is not part of a {kind} schedule")
    hour, minute = _number(config, "hour", 9), _number(config, "minute", 0)
    match kind:
        case ScheduleType.ONCE:
            return Once(_moment(config, "run_at", zone))
        case ScheduleType.DAILY:
            return Daily(hour, minute, zone=zone)
        case ScheduleType.WEEKLY:
            return Weekly(_weekdays(config), hour, minute, zone=zone)
        case ScheduleType.MONTHLY:
            return Monthly(_number(config, "day", 1), hour, minute, zone=zone)
        case ScheduleType.CUSTOM:
            return _custom(config, zone, now)


def written(schedule: Schedule) -> tuple[ScheduleType, Config]:
    """The type and configuration from which `read_schedule` makes this schedule again."""
    match schedule:
        case Once(at):
            return ScheduleType.ONCE, {"run_at": at.isoformat()}
        case Daily(hour, minute):
            return ScheduleType.DAILY, {"hour": hour, "minute": minute}
        case Weekly(weekdays, hour, minute):
            days = list(weekdays)
            return ScheduleType.WEEKLY, {"weekdays": days, "hour": hour, "minute": minute}
        case Monthly(day, hour, minute):
            return ScheduleType.MONTHLY, {"day": day, "hour": hour, "minute": minute}
        case Cron(expression):
            return ScheduleType.CUSTOM, {"cron": expression}
        case Interval(every):
            minutes = every / timedelta(minutes=1)
            since = schedule.since.isoformat()
            return ScheduleType.CUSTOM, {"interval_minutes": minutes, "since": since}


def _custom(config: Mapping[str, object], zone: ZoneInfo, now: datetime) -> Cron | Interval:
    match config:
        case {"cron": _, "interval_minutes": _}:
            raise BadSchedule("cron", "give either cron or interval_minutes, not both")
        case {"cron": _, "since": _}:
            raise BadSchedule("since", "belongs to interval_minutes")
        case {"cron": str(expression)}:
            return Cron(expression, zone=zone)
        case {"cron": other}:
            raise BadSchedule("cron", f"must be a cron expression, not {_shown(other)}")
        case {"interval_minutes": minutes}:
            since = _moment(config, "since", zone) if "since" in config else now
            return Interval(_interval(minutes), since=since)
        case _:
            raise BadSchedule("cron", "a custom schedule needs cron or interval_minutes")


def _interval(minutes: object) -> timedelta:
    if isinstance(minutes, bool) or not isinstance(minutes, int | float):
        raise BadSchedule("interval_minutes", f"must be a number, not {_shown(minutes)}")
    try:
        return timedelta(seconds=round(timedelta(minutes=minutes).total_seconds()))
    except (OverflowError, ValueError) as error:
        problem = f"must be a number of minutes, not {_shown(minutes)}"
        raise BadSchedule("interval_minutes", problem) from error


def _number(config: Mapping[str, object], key: str, otherwise: int) -> int:
    return _whole(key, config.get(key, otherwise))


def _weekdays(config: Mapping[str, object]) -> tuple[int, ...]:
    given = config.get("weekdays", [0])
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise BadSchedule("weekdays", f"must be a list of 0 (Monday) to 6, not {_shown(given)}")
    return tuple(_whole("weekdays", each) for each in cast("Sequence[object]", given))


def _whole(key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadSchedule(key, f"must be a whole number, not {_shown(value)}")
    return value


def _moment(config: Mapping[str, object], key: str, zone: ZoneInfo) -> datetime:
    given = config.get(key)
    if not isinstance(given, str):
        raise BadSchedule(key, f"must be a time such as 2026-11-24T09:00, not {_shown(given)}")
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise BadSchedule(key, f"{_shown(given)} is no time such as 2026-11-24T09:00") from error
    return moment if moment.tzinfo else moment_at(moment, zone)


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)[:60]
