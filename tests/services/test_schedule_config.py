from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

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
from app.services.schedule_config import read_schedule, schedule_type, written
from app.storage.task import ScheduleType

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def read(kind: str, config: Mapping[str, object]) -> Schedule:
    return read_schedule(schedule_type(kind), config, zone=BERLIN, now=NOW)


@pytest.mark.parametrize(
    ("kind", "config", "schedule"),
    [
        ("once", {"run_at": "2026-11-24T09:00:00+00:00"}, Once(NOW + timedelta(hours=23))),
        ("once", {"run_at": "2026-11-24T10:00"}, Once(NOW + timedelta(hours=23))),
        ("daily", {}, Daily(9, 0, zone=BERLIN)),
        ("daily", {"hour": 7, "minute": 30}, Daily(7, 30, zone=BERLIN)),
        ("weekly", {}, Weekly((0,), 9, 0, zone=BERLIN)),
        ("weekly", {"weekdays": [4, 0], "hour": 8}, Weekly((0, 4), 8, 0, zone=BERLIN)),
        ("monthly", {}, Monthly(1, 9, 0, zone=BERLIN)),
        ("monthly", {"day": 31, "hour": 18}, Monthly(31, 18, 0, zone=BERLIN)),
        ("custom", {"cron": "*/5 * * * *"}, Cron("*/5 * * * *", zone=BERLIN)),
        ("custom", {"interval_minutes": 90}, Interval(timedelta(minutes=90), since=NOW)),
        (
            "custom",
            {"interval_minutes": 1.5, "since": "2026-11-23T10:00:00+00:00"},
            Interval(timedelta(seconds=90), since=NOW),
        ),
    ],
)
def test_a_configuration_reads_as_its_schedule_and_back(
    kind: str, config: Mapping[str, object], schedule: Schedule
) -> None:
    assert read(kind, config) == schedule
    assert read(*written(schedule)) == schedule


@pytest.mark.parametrize(
    ("kind", "config", "field"),
    [
        ("hourly", {}, "schedule_type"),
        ("once", {}, "run_at"),
        ("once", {"run_at": 7}, "run_at"),
        ("once", {"run_at": "soon"}, "run_at"),
        ("once", {"run_at": "9999-12-31T23:59:59-23:00"}, "run_at"),
        ("daily", {"hours": 7}, "hours"),
        ("daily", {"hour": "7"}, "hour"),
        ("daily", {"hour": True}, "hour"),
        ("daily", {"hour": 7.0}, "hour"),
        ("daily", {"hour": 25}, "hour"),
        ("daily", {"minute": None}, "minute"),
        ("weekly", {"weekdays": "monday"}, "weekdays"),
        ("weekly", {"weekdays": 0}, "weekdays"),
        ("weekly", {"weekdays": []}, "weekdays"),
        ("weekly", {"weekdays": [7]}, "weekdays"),
        ("weekly", {"weekdays": ["mon"]}, "weekdays"),
        ("monthly", {"day": 0}, "day"),
        ("custom", {}, "cron"),
        ("custom", {"cron": "61 * * * *"}, "cron"),
        ("custom", {"cron": 5}, "cron"),
        ("custom", {"cron": "* * * * *", "interval_minutes": 5}, "cron"),
        ("custom", {"cron": "* * * * *", "since": "2026-11-23T10:00"}, "since"),
        ("custom", {"interval_minutes": 0}, "interval_minutes"),
        ("custom", {"interval_minutes": -5}, "interval_minutes"),
        ("custom", {"interval_minutes": "5"}, "interval_minutes"),
        ("custom", {"interval_minutes": float("nan")}, "interval_minutes"),
        ("custom", {"interval_minutes": float("inf")}, "interval_minutes"),
        ("custom", {"interval_minutes": 10**30}, "interval_minutes"),
        ("custom", {"interval_minutes": 5, "since": "never"}, "since"),
    ],
)
def test_a_bad_configuration_is_refused_naming_the_field(
    kind: str, config: Mapping[str, object], field: str
) -> None:
    with pytest.raises(BadSchedule, match=f"^{field}: ") as refused:
        read(kind, config)

    assert refused.value.field == field


def test_every_type_can_be_written() -> None:
    schedules = (
        Once(NOW),
        Daily(9, 0, zone=BERLIN),
        Weekly((0,), 9, 0, zone=BERLIN),
        Monthly(1, 9, 0, zone=BERLIN),
        Cron("0 9 * * *", zone=BERLIN),
    )

    assert [written(each)[0] for each in schedules] == list(ScheduleType)
