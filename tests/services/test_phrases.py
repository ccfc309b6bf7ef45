import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.phrase_words import NUMBERS
from app.services.phrases import NotUnderstood, understand
from app.services.recurrence import Daily, Interval, Monthly, Once, Schedule, Weekly
from app.services.wall_clock import moment_at, moments_at

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 11, tzinfo=BERLIN)  # a Monday


def heard(phrase: str, now: datetime = NOW) -> tuple[str, str]:
    """The moment, as the wall in Berlin shows it, and the rest."""
    understood = understand(phrase, now=now, zone=BERLIN)
    assert isinstance(understood.schedule, Once)
    return f"{understood.schedule.at.astimezone(BERLIN):%Y-%m-%d %H:%M:%S}", understood.text


@pytest.mark.parametrize(
    ("phrase", "moment"),
    [
        ("2026-11-24T09:00", "2026-11-24 09:00:00"),
        ("2026-11-24T09:00:00Z", "2026-11-24 10:00:00"),
        ("2026-11-24T09:00+05:00", "2026-11-24 05:00:00"),
        ("2026-11-24 09:30", "2026-11-24 09:30:00"),
        ("2026-11-24 09:30:15+01:00", "2026-11-24 09:30:15"),
        ("on 2026-11-24 at 7pm", "2026-11-24 19:00:00"),
        ("2026-11-24", "2026-11-24 09:00:00"),
        ("in 3 seconds", "2026-11-23 11:00:03"),
        ("in 5 minutes", "2026-11-23 11:05:00"),
        ("in 90min", "2026-11-23 12:30:00"),
        ("in 2 hours", "2026-11-23 13:00:00"),
        ("in an hour", "2026-11-23 12:00:00"),
        ("in half an hour", "2026-11-23 11:30:00"),
        ("in an hour and 30 minutes", "2026-11-23 12:30:00"),
        ("in 1.5 hours", "2026-11-23 12:30:00"),
        ("in 3 days", "2026-11-26 11:00:00"),
        ("in two weeks", "2026-12-07 11:00:00"),
        ("In 5 Minutes", "2026-11-23 11:05:00"),
        ("tomorrow", "2026-11-24 09:00:00"),
        ("tomorrow at 14:30", "2026-11-24 14:30:00"),
        ("tomorrow at nine o'clock", "2026-11-24 09:00:00"),
        ("tomorrow 7pm", "2026-11-24 19:00:00"),
        ("at 9 tomorrow", "2026-11-24 09:00:00"),
        ("today at 17:00", "2026-11-23 17:00:00"),
        ("today at noon", "2026-11-23 12:00:00"),
        ("on friday at 14:30", "2026-11-27 14:30:00"),
        ("Friday", "2026-11-27 09:00:00"),
        ("fri at 8", "2026-11-27 08:00:00"),
        ("monday at 12", "2026-11-23 12:00:00"),
        ("monday at 10", "2026-11-30 10:00:00"),
        ("7:00", "2026-11-24 07:00:00"),
        ("7pm", "2026-11-23 19:00:00"),
        ("7 pm", "2026-11-23 19:00:00"),
        ("7:30am", "2026-11-24 07:30:00"),
        ("12am", "2026-11-24 00:00:00"),
        ("12pm", "2026-11-23 12:00:00"),
        ("at noon", "2026-11-23 12:00:00"),
        ("midnight", "2026-11-24 00:00:00"),
        ("at 11", "2026-11-24 11:00:00"),
        ("half past seven", "2026-11-24 07:30:00"),
        ("tomorrow at half past 7 pm", "2026-11-24 19:30:00"),
        ("a quarter past twelve", "2026-11-23 12:15:00"),
        ("today at quarter to 12", "2026-11-23 11:45:00"),
        ("5 december", "2026-12-05 09:00:00"),
        ("on Dec 5 at 8", "2026-12-05 08:00:00"),
        ("at 8 on december 5th", "2026-12-05 08:00:00"),
        ("on Sept. 1st 2027 at noon", "2027-09-01 12:00:00"),
        ("nov 23 at 12", "2026-11-23 12:00:00"),
        ("nov 23 at 10", "2027-11-23 10:00:00"),
        ("may 1", "2027-05-01 09:00:00"),
        ("29 feb", "2028-02-29 09:00:00"),
    ],
)
def test_a_phrase_names_its_moment_in_the_users_zone(phrase: str, moment: str) -> None:
    assert heard(phrase) == (moment, "")


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("in 3 seconds to call Ann", "call Ann"),
        ("in 3 seconds that the tea is ready", "the tea is ready"),
        ("remind me in 3 seconds to call Ann at 5", "call Ann at 5"),
        ("remind me to call Ann in 3 seconds", "call Ann"),
        ("remind me about the tea in 3 seconds", "the tea"),
        ("call Ann in 3 seconds", "call Ann"),
        ("buy 7 eggs in 3 seconds", "buy 7 eggs"),
        ("in 3 seconds call Ann", "call Ann"),
        ("in 3 seconds, call  Ann", "call Ann"),
        ("in 3 seconds to Köln fahren 🚆", "Köln fahren 🚆"),
    ],
)
def test_the_other_words_are_the_reminder(phrase: str, text: str) -> None:
    assert heard(phrase) == ("2026-11-23 11:00:03", text)


@pytest.mark.parametrize(
    "phrase",
    [
        "", " ", "hello", "remind me", "remind me to call Ann", "in", "at", "every",
        "to call Ann", "in 0 minutes", "in -5 minutes", "in minutes", "in 5", "in 5 parsecs",
        "in two months", "in 99999999999 weeks", "in 9" + "9" * 400 + " days",
        "in 1 hour 2 hours", "in 5 minutes or 10", "at 25:00", "at 24:00", "at 7:60", "at 99",
        "13pm", "0am", "7", "today", "today at 7", "yesterday",
        "tomorrow tomorrow", "tonight at 8", "tomorrow at 9 and 14", "next friday",
        "call Ann next friday", "call Ann friday or saturday at 9", "not tomorrow",
        "call Ann at 5 tomorrow at 9", "in 3 seconds call Ann at 5", "at 7 to 9",
        "lunch 12 tomorrow", "tomorrow to", "in 5 minutes to", "tomorrow until 9",
        "tomorrow at 9 on friday", "2026-02-30", "2026-13-01T09:00", "2020-01-01",
        "2020-01-01T09:00", "9999-12-31T23:59:59-23:00", "every 0 minutes", "every -1 hours",
        "every 2 days", "every other day", "every 15 minutes between 9 and 17",
        "every weekday at 9 and 14", "every day at 25:00", "every month", "every tomorrow",
        "every month on the 32nd", "every month on the 0th", "every day at 9:00:30",
        "every blue moon", "word " * 500, "9" * 5000,
        "every second day to run", "every second to blink", "every second week", "every minute day",
        "tomorrow at 9 UTC to call", "at 9 PST call Ann", "tomorrow at 9 Europe/Berlin call Ann",
        "tomorrow at 9 utc+2 call", "tomorrow at 9 berlin time to call", "weekdays call Ann at 9",
        "call Ann on weekends at 9", "mondays call Ann at 9", "biweekly call Ann at 9",
        "fortnightly call on friday", "yearly call Ann on may 1", "friday week call Ann",
        "tomorrow week call Ann", "in 5 minutes ago call Ann", "every monday at 9 fortnightly call",
        "daily at 9 sundays excepted walk", "call Ann past noon", "call Ann around 7pm",
        "call Ann about 7pm", "call Ann circa 7pm", "call Ann latest 7pm",
    ],
)  # fmt: skip
def test_what_names_no_time_or_several_is_refused_and_never_guessed(phrase: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        understand(phrase, now=NOW, zone=BERLIN)

    assert 0 < len(str(refused.value)) < 250


@pytest.mark.parametrize(
    ("phrase", "schedule", "text"),
    [
        ("every day at 9 to stretch", Daily(9, 0, zone=BERLIN), "stretch"),
        ("stretch daily at 7pm", Daily(19, 0, zone=BERLIN), "stretch"),
        ("every weekday at 8:30 to plan", Weekly((0, 1, 2, 3, 4), 8, 30, zone=BERLIN), "plan"),
        ("every friday", Weekly((4,), 9, 0, zone=BERLIN), ""),
        ("every monday, wednesday and friday at 9", Weekly((0, 2, 4), 9, 0, zone=BERLIN), ""),
        ("every month on the 31st at 18:00 to pay", Monthly(31, 18, 0, zone=BERLIN), "pay"),
        ("every month on day 5", Monthly(5, 9, 0, zone=BERLIN), ""),
        ("every 15 minutes to drink", Interval(timedelta(minutes=15), since=NOW), "drink"),
        ("every hour", Interval(timedelta(hours=1), since=NOW), ""),
        (
            "remind me to look up every two hours",
            Interval(timedelta(hours=2), since=NOW),
            "look up",
        ),
    ],
)
def test_a_phrase_with_every_is_a_rhythm(phrase: str, schedule: Schedule, text: str) -> None:
    understood = understand(phrase, now=NOW, zone=BERLIN)

    assert (understood.schedule, understood.text) == (schedule, text)


@pytest.mark.parametrize(
    ("now", "phrase", "moment"),
    [
        ("2026-03-28T12:00+01:00", "tomorrow at 2:30", "2026-03-29T03:00:00+02:00"),  # in the gap
        ("2026-03-28T12:00+01:00", "in 1 day", "2026-03-29T12:00:00+02:00"),  # 23 hours
        ("2026-03-28T12:00+01:00", "in 24 hours", "2026-03-29T13:00:00+02:00"),
        ("2026-10-24T12:00+02:00", "tomorrow at 2:30", "2026-10-25T02:30:00+02:00"),  # the first
        ("2026-10-25T02:45+02:00", "at 2:30", "2026-10-25T02:30:00+01:00"),  # the second is to come
        ("2026-10-24T12:00+02:00", "in 1 day", "2026-10-25T12:00:00+01:00"),  # 25 hours
        ("2026-10-25T01:30+02:00", "in 2 hours", "2026-10-25T02:30:00+01:00"),
        ("2026-11-23T23:30+00:00", "today at 1:00", "2026-11-24T01:00:00+01:00"),  # today in Berlin
    ],
)
def test_a_phrase_is_right_when_the_clocks_change(now: str, phrase: str, moment: str) -> None:
    schedule = understand(phrase, now=datetime.fromisoformat(now), zone=BERLIN).schedule

    assert isinstance(schedule, Once)
    assert schedule.at.astimezone(BERLIN).isoformat() == moment


def test_the_same_words_mean_each_users_own_time() -> None:
    zones = [ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")]

    found = [understand("tomorrow at 9", now=NOW, zone=zone).schedule for zone in zones]

    assert found == [
        Once(datetime(2026, 11, 24, 0, tzinfo=UTC)),
        Once(datetime(2026, 11, 24, 14, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    ("phrase", "refusal"),
    [
        ("call Ann at 25:00", "25:00 is no time of the day"),
        ("next tuesday at 10 to call", "“next” in “next tuesday at 10 to call” is no exact time"),
        ("call Ann next friday", "“next” before the time is unclear"),
        ("tonight to cook", "“tonight” in “tonight to cook” is no exact time"),
        ("at teatime to eat", "“teatime” in “at teatime to eat” is no exact time"),
        ("at half past teatime to eat", "“teatime” in "),
        ("in 5 parsecs to land", "“parsecs” in “in 5 parsecs to land” is no exact time"),
        ("on 31 november to x", "“31 november” is no date"),
        ("on Feb 29 2027 to x", "“Feb 29 2027” is no date"),
        ("tomorrow evening to call", "“evening” after the time is unclear"),
        ("at 5 december to call", "“december” after the time is unclear"),
        ("pay on dec 24 tomorrow", "“24” before the time is unclear"),
        ("have a look at one", "“one” after “at” may be no hour: say “at one o'clock” if it is"),
        ("have a look at that one", "“have a look at that one”"),
        ("look at them one by one", "names no time"),
        ("take one at a time", "names no time"),
        ("call Ann at one", "“one” after “at” may be no hour"),
        ("have a look at one tomorrow", "“one” after “at” may be no hour"),
        ("have a look at one in 5 minutes", "“have a look at one” before the time is unclear"),
        ("keep the heating at twenty", "“twenty” after “at” may be no hour"),
        ("look closely at 2", "“2” after “at” may be no hour"),
        ("at one point call Ann", "“one” after “at” may be no hour"),
        ("tomorrow at two places check the locks", "“two” after “at” may be no hour"),
    ],
)
def test_a_refusal_names_what_was_not_understood(phrase: str, refusal: str) -> None:
    with pytest.raises(NotUnderstood, match=re.escape(refusal)):
        understand(phrase, now=NOW, zone=BERLIN)


@pytest.mark.parametrize(
    ("phrase", "moment", "text"),
    [
        ("at one", "2026-11-24 01:00:00", ""),
        ("at one to call Ann", "2026-11-24 01:00:00", "call Ann"),
        ("at one, call Ann", "2026-11-24 01:00:00", "call Ann"),
        ("at one tomorrow call Ann", "2026-11-24 01:00:00", "call Ann"),
        ("have a look tomorrow at one", "2026-11-24 01:00:00", "have a look"),
        ("have a look at one pm", "2026-11-23 13:00:00", "have a look"),
        ("have a look at one o'clock", "2026-11-24 01:00:00", "have a look"),
        ("have a look at half past one", "2026-11-24 01:30:00", "have a look"),
        ("call Ann at nine", "2026-11-24 09:00:00", "call Ann"),
        ("call that one at 9", "2026-11-24 09:00:00", "call that one"),
        (
            "go through them one by one tomorrow",
            "2026-11-24 09:00:00",
            "go through them one by one",
        ),
        ("tomorrow to have a look at one", "2026-11-24 09:00:00", "have a look at one"),
    ],
)
def test_an_hour_in_words_is_one_where_a_time_clearly_stands(
    phrase: str, moment: str, text: str
) -> None:
    assert heard(phrase) == (moment, text)


HOURS = st.sampled_from(
    [each for each, number in NUMBERS.items() if 1 <= number <= 12 and len(each) > 2]
)


@given(st.sampled_from(["look", "point", "smile", "Glancing", "have a look"]), HOURS, st.data())
@settings(deadline=None)
def test_what_is_looked_at_is_an_hour_only_if_a_clock_is_named(
    verb: str, hour: str, data: st.DataObject
) -> None:
    more = data.draw(st.sampled_from(["", " tomorrow", " on friday", " 2026-11-24"]))

    with pytest.raises(NotUnderstood, match=f"“{hour}”"):
        understand(f"{verb} at {hour}{more}", now=NOW, zone=BERLIN)

    clock = data.draw(st.sampled_from([" o'clock", " am", " pm"]))
    assert heard(f"{verb} at {hour}{clock}{more}")[1] == verb


words = st.sampled_from([
    "in", "at", "on", "to", "and", "every", "day", "month", "minutes", "tomorrow", "friday", "5",
    "31st", "7pm", "25:00", "9:30", "2026-11-24", "2", "remind", "me", "call", "the", "noon",
    "half", "past", "quarter", "dec", "an", "a", "weekday", "o'clock,", "today", "hours", "daily",
    "next", "about", "7 am", "one", "at one", "look",
])  # fmt: skip


@given(st.one_of(st.lists(words, max_size=8).map(" ".join), st.text(max_size=40)))
@settings(deadline=None, max_examples=400)
def test_any_words_are_understood_as_a_later_time_or_refused(phrase: str) -> None:
    try:
        understood = understand(phrase, now=NOW, zone=BERLIN)
    except NotUnderstood:
        return

    following = understood.schedule.next_run(NOW)
    assert following is not None
    assert following > NOW
    assert all(word in phrase.split() for word in understood.text.split())


ZONES = st.sampled_from(
    [ZoneInfo(each) for each in ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")]
    + [ZoneInfo(each) for each in ("Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia")]
)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))


def once(phrase: str, now: datetime, zone: ZoneInfo) -> datetime:
    schedule = understand(phrase, now=now, zone=zone).schedule
    assert isinstance(schedule, Once)
    return schedule.at


@given(MOMENTS, ZONES, st.integers(1, 500), st.sampled_from(["minute", "hour"]))
@settings(deadline=None)
def test_minutes_and_hours_are_counted_exactly(
    now: datetime, zone: ZoneInfo, count: int, unit: str
) -> None:
    span = timedelta(**{f"{unit}s": count})

    assert once(f"in {count} {unit}{'s' * (count > 1)}", now, zone) == now + span


@given(MOMENTS, ZONES, st.integers(1, 500), st.sampled_from(["day", "week"]))
@settings(deadline=None)
def test_days_and_weeks_end_at_the_same_time_on_the_wall(
    now: datetime, zone: ZoneInfo, count: int, unit: str
) -> None:
    wall = now.astimezone(zone).replace(tzinfo=None) + timedelta(**{f"{unit}s": count})

    assert once(f"in {count} {unit}s", now, zone) == moment_at(wall, zone)


def ways_to_say(at: time) -> list[str]:
    """The time in all the forms it can have."""
    half = f"{at.hour % 12 or 12}:{at:%M}{'am' if at.hour < 12 else 'pm'}"
    whole = [] if at.minute else [f"at {at.hour}", half.replace(":00", "")]
    return [f"{at.hour}:{at:%M}", f"at {at:%H:%M}", half, *whole]


@given(MOMENTS, ZONES, TIMES, st.data())
@settings(deadline=None)
def test_a_time_tomorrow_is_on_tomorrows_wall_however_it_is_said(
    now: datetime, zone: ZoneInfo, at: time, data: st.DataObject
) -> None:
    said = data.draw(st.sampled_from(ways_to_say(at)))
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)

    assert once(f"tomorrow {said}", now, zone) == moment_at(datetime.combine(tomorrow, at), zone)


@given(MOMENTS, ZONES, TIMES, st.data())
@settings(deadline=None)
def test_a_time_alone_is_the_next_that_the_wall_will_show(
    now: datetime, zone: ZoneInfo, at: time, data: st.DataObject
) -> None:
    said = data.draw(st.sampled_from(ways_to_say(at)))
    today = now.astimezone(zone).date()
    walls = [datetime.combine(today + timedelta(days=n), at) for n in range(2)]
    shown = [m for wall in walls for m in moments_at(wall, zone) or (moment_at(wall, zone),)]

    assert once(said, now, zone) == min(each for each in shown if each > now)


@given(MOMENTS, ZONES)
@settings(deadline=None)
def test_tomorrow_alone_is_nine_in_the_morning(now: datetime, zone: ZoneInfo) -> None:
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)

    assert once("tomorrow", now, zone) == moment_at(datetime.combine(tomorrow, time(9)), zone)


PURE = (
    *("in 5 minutes", "in two weeks", "in half an hour", "tomorrow at 9", "7 pm"),
    *("today at 17:00", "friday at 14:30", "2026-11-24 at 9", "every day at 9", "daily at 7pm"),
    *("every monday and thursday at 9", "every month on the 31st at 18:00", "every 15 minutes"),
)


@given(st.sampled_from(PURE), st.from_regex(r"[qx]{3,8}", fullmatch=True), st.data())
@settings(deadline=None, max_examples=200)
def test_a_strange_word_within_a_time_is_named_in_the_refusal(
    phrase: str, strange: str, data: st.DataObject
) -> None:
    words = phrase.split()
    at = data.draw(st.integers(1, len(words) - 1))

    with pytest.raises(NotUnderstood) as refused:
        understand(" ".join([*words[:at], strange, *words[at:]]), now=NOW, zone=BERLIN)

    assert strange in str(refused.value)
