"""Quiet hours, on the clock of the user's own wall."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.quiet import quiet_until
from app.services.wall_clock import zone_named
from app.storage.address import Address
from app.storage.quiet_hours import QuietHours
from app.storage.users import User

ANN = User(
    id=1,
    name="Ann",
    address=Address("ann@example.org"),
    timezone="Europe/Berlin",
    wants_mail=True,
    active=True,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    quiet_hours=QuietHours.parse("22:00-07:00"),
)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago")


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-06-01 19:59", None),  # 21:59 in Berlin
        ("2026-06-01 20:00", "2026-06-02 05:00"),
        ("2026-06-01 22:30", "2026-06-02 05:00"),  # past midnight there
        ("2026-06-02 04:59", "2026-06-02 05:00"),
        ("2026-06-02 05:00", None),
        ("2026-03-28 21:30", "2026-03-29 05:00"),  # an hour of that night does not exist
        ("2026-10-24 20:30", "2026-10-25 06:00"),  # and this one has an hour more
    ],
)
def test_they_end_when_the_users_own_clock_says_so(now: str, until: str | None) -> None:
    assert quiet_until(ANN, at(now)) == (at(until) if until else None)


def test_a_time_that_the_clock_leaves_out_is_when_the_gap_ends() -> None:
    early = replace(ANN, quiet_hours=QuietHours.parse("01:00-02:30"))

    assert quiet_until(early, at("2026-03-29 00:30")) == at("2026-03-29 01:00")


def test_an_end_that_comes_twice_comes_after_now() -> None:
    early = replace(ANN, quiet_hours=QuietHours.parse("01:00-02:30"))

    assert quiet_until(early, at("2026-10-25 01:10")) == at("2026-10-25 01:30")


def test_who_has_none_may_always_be_disturbed() -> None:
    assert quiet_until(replace(ANN, quiet_hours=None), at("2026-06-01 22:30")) is None


@given(
    zone=st.sampled_from(ZONES),
    now=st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),
    begins=st.times(),
    ends=st.times(),
)
def test_their_end_is_ahead_and_within_a_day(
    zone: str, now: datetime, begins: time, ends: time
) -> None:
    hours = f"{begins:%H:%M}-{ends:%H:%M}"
    if hours[:5] == hours[6:]:
        return
    user = replace(ANN, timezone=zone, quiet_hours=QuietHours.parse(hours))
    moment = now.replace(tzinfo=UTC)

    until = quiet_until(user, moment)

    is_quiet = QuietHours.parse(hours).covers(moment.astimezone(zone_named(zone)).time())
    assert (until is not None) is is_quiet
    assert until is None or moment < until <= moment + timedelta(hours=25)
