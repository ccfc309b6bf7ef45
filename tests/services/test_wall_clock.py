from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.services.wall_clock import UnknownZone, moment_at, moments_at, zone_named

BERLIN = ZoneInfo("Europe/Berlin")


def test_a_time_of_most_days_names_one_moment() -> None:
    wall = datetime(2026, 11, 23, 9)

    assert moments_at(wall, BERLIN) == (datetime(2026, 11, 23, 8, tzinfo=UTC),)


def test_a_time_in_a_fold_names_two_moments_and_means_the_first() -> None:
    wall = datetime(2026, 10, 25, 2, 30)

    first, second = moments_at(wall, BERLIN)

    assert second - first == timedelta(hours=1)
    assert moment_at(wall, BERLIN) == first


@pytest.mark.parametrize(
    ("zone", "wall", "ends"),
    [
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T03:00:00+02:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:10", "2026-10-04T02:30:00+11:00"),
        ("America/Santiago", "2026-09-06T00:00", "2026-09-06T01:00:00-03:00"),
        ("America/Nuuk", "2024-03-30T23:30", "2024-03-31T00:00:00-01:00"),
        ("Pacific/Apia", "2011-12-30T09:00", "2011-12-31T00:00:00+14:00"),
    ],
)
def test_a_time_in_a_gap_names_none_and_means_the_end_of_the_gap(
    zone: str, wall: str, ends: str
) -> None:
    there, missing = ZoneInfo(zone), datetime.fromisoformat(wall)

    assert moments_at(missing, there) == ()
    assert moment_at(missing, there).astimezone(there).isoformat() == ends


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "a\0b", "x" * 999]
)
def test_a_name_that_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(UnknownZone, match="is no time zone"):
        zone_named(name)
