from datetime import UTC, date, datetime, timedelta

import pytest

from app.services.ics.document import parse
from app.services.ics.event import Event, View
from app.services.ics.expansion import BadSeries, event_of
from tests.services.ics.texts import VIEW, calendar, event


def understood(*parts: str, view: View = VIEW, zone: str = "", most: int = 1_000) -> Event:
    (series,), _ = parse(calendar(*parts).encode()).series()
    return event_of(series, view, zone=zone, most=most)


def of(*lines: str, most: int = 1_000) -> Event:
    return understood(event("a", *lines), most=most)


def starts(event: Event) -> list[str]:
    return [f"{each.starts_at:%m-%d %H:%M}" for each in event.occurrences]


def test_an_event_is_taken_over_in_full() -> None:
    found = of(
        "SUMMARY:Dentist\\, again",
        "LOCATION:Main Street 1",
        "DESCRIPTION:bring\\nthe card",
        "DTSTART;TZID=Europe/Berlin:20261201T100000",
        "DTEND;TZID=Europe/Berlin:20261201T110000",
    )

    assert (found.title, found.place, found.notes) == (
        "Dentist, again",
        "Main Street 1",
        "bring\nthe card",
    )
    assert found.starts_at == datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
    assert found.ends_at - found.starts_at == timedelta(hours=1)
    assert (found.zone, found.rule, found.all_day) == ("Europe/Berlin", "", False)
    assert starts(found) == ["12-01 09:00"]


def test_a_series_keeps_its_hour_over_the_change_of_clocks() -> None:
    found = of("DTSTART;TZID=Europe/Berlin:20270326T100000", "RRULE:FREQ=DAILY;COUNT=4")

    assert starts(found) == ["03-26 09:00", "03-27 09:00", "03-28 08:00", "03-29 08:00"]


def test_a_time_that_the_clocks_skip_is_an_hour_later() -> None:
    found = of("DTSTART;TZID=Europe/Berlin:20270328T023000", "DURATION:PT1H")

    assert starts(found) == ["03-28 01:30"]


def test_a_time_without_a_zone_is_the_users() -> None:
    assert starts(of("DTSTART:20261201T100000")) == ["12-01 09:00"]


def test_a_time_without_a_zone_is_the_calendars_if_it_says_so() -> None:
    found = understood(event("a", "DTSTART:20261201T100000"), zone="Asia/Tokyo")

    assert found.starts_at == datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
    assert starts(found) == ["12-01 01:00"]


def test_an_all_day_event_is_a_date() -> None:
    found = of("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227")

    (occurrence,) = found.occurrences
    assert found.all_day
    assert occurrence.all_day
    assert occurrence.starts_at == datetime(2026, 12, 24, tzinfo=UTC)
    assert occurrence.ends_at == datetime(2026, 12, 27, tzinfo=UTC)


def test_a_birthday_comes_every_year() -> None:
    assert starts(of("DTSTART;VALUE=DATE:19800229", "RRULE:FREQ=YEARLY")) == []
    assert starts(of("DTSTART;VALUE=DATE:19801201", "RRULE:FREQ=YEARLY")) == ["12-01 00:00"]


def test_an_occurrence_can_be_left_out() -> None:
    found = of(
        "DTSTART:20261201T100000Z",
        "RRULE:FREQ=DAILY;COUNT=3",
        "EXDATE:20261202T100000Z",
        "RDATE:20261210T100000Z",
    )

    assert starts(found) == ["12-01 10:00", "12-03 10:00", "12-10 10:00"]


def test_an_occurrence_can_be_moved_and_renamed() -> None:
    series = event("a", "DTSTART:20261201T100000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:walk")
    moved = event(
        "a", "RECURRENCE-ID:20261202T100000Z", "DTSTART:20261202T180000Z", "SUMMARY:late walk"
    )

    found = understood(series, moved)

    assert starts(found) == ["12-01 10:00", "12-02 18:00", "12-03 10:00"]
    assert [each.title for each in found.occurrences] == ["walk", "late walk", "walk"]
    assert found.title == "walk"


def test_an_occurrence_can_be_cancelled() -> None:
    series = event("a", "DTSTART:20261201T100000Z", "RRULE:FREQ=DAILY;COUNT=2")
    off = event(
        "a", "RECURRENCE-ID:20261201T100000Z", "DTSTART:20261201T100000Z", "STATUS:CANCELLED"
    )

    assert starts(understood(series, off)) == ["12-02 10:00"]


def test_a_cancelled_event_does_not_happen() -> None:
    found = of("DTSTART:20261201T100000Z", "RRULE:FREQ=DAILY;COUNT=2", "STATUS:CANCELLED")

    assert found.is_cancelled
    assert found.occurrences == ()


def test_a_series_is_listed_from_a_month_ago_to_a_year_ahead() -> None:
    found = of("DTSTART:20000101T100000Z", "RRULE:FREQ=DAILY")

    assert found.occurrences[0].starts_at.date() == date(2026, 10, 24)
    assert found.occurrences[-1].starts_at.date() == date(2027, 11, 23)


def test_of_too_many_occurrences_the_coming_ones_are_kept() -> None:
    found = of("DTSTART:20200101T000000Z", "RRULE:FREQ=DAILY", most=10)

    assert starts(found)[0] == "11-22 00:00"
    assert len(found.occurrences) == 10


def test_a_zone_that_the_calendar_describes_is_used() -> None:
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Office\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
        "TZOFFSETFROM:+0300\r\nTZOFFSETTO:+0300\r\nEND:STANDARD\r\nEND:VTIMEZONE"
    )

    found = understood(zone, event("a", "DTSTART;TZID=Office:20261201T100000"))

    assert found.starts_at == datetime(2026, 12, 1, 7, 0, tzinfo=UTC)
    assert found.zone == "Office"


def test_a_windows_zone_is_known() -> None:
    found = of("DTSTART;TZID=W. Europe Standard Time:20261201T100000")

    assert found.starts_at == datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


@pytest.mark.case(57)
@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("SUMMARY:x",), "no DTSTART"),
        (("DTSTART:yesterday",), "DTSTART can't be read"),
        (("DTSTART;TZID=Mars/Olympus:20261201T100000",), "'Mars/Olympus' is unknown"),
        (("DTSTART:20261201T100000Z", "RRULE:FREQ=SOMETIMES"), "RRULE can't be read"),
        (("DTSTART:20261201T100000Z", "EXRULE:FREQ=DAILY"), "EXRULE"),
        (("DTSTART:20261201T100000Z", "DURATION:P99999999999D"), "DURATION can't be read"),
    ],
)
def test_what_can_not_be_told_for_certain_is_refused(lines: tuple[str, ...], reason: str) -> None:
    with pytest.raises(BadSeries, match=reason):
        of(*lines)


@pytest.mark.case(57)
def test_long_and_odd_texts_are_tamed() -> None:
    found = of("DTSTART:20261201T100000Z", "SUMMARY:\x07beep\u202eevil" + "x" * 5_000)

    assert found.title.startswith("beepevil")
    assert len(found.title) == 500


def test_an_end_before_its_start_is_no_end() -> None:
    found = of("DTSTART:20261201T100000Z", "DTEND:20261201T090000Z")

    assert found.ends_at >= found.starts_at
    assert all(each.ends_at >= each.starts_at for each in found.occurrences)
