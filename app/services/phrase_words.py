"""The small words of time, read off one by one: numbers, units, weekdays, times of the day."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

NUMBERS = {
    word: number
    for number, words in {
        0: "zero", 1: "a an one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven",
        8: "eight", 9: "nine", 10: "ten", 11: "eleven", 12: "twelve", 15: "fifteen", 20: "twenty",
        30: "thirty", 40: "forty", 45: "forty-five", 50: "fifty", 60: "sixty", 90: "ninety",
    }.items()
    for word in words.split()
}  # fmt: skip
UNITS = {
    word: unit
    for unit, words in {
        timedelta(seconds=1): "second seconds sec secs s",
        timedelta(minutes=1): "minute minutes min mins m",
        timedelta(hours=1): "hour hours hr hrs h",
        timedelta(days=1): "day days d",
        timedelta(weeks=1): "week weeks w",
    }.items()
    for word in words.split()
}
WEEKDAYS = {
    name: number
    for number, names in enumerate((
        "monday mon", "tuesday tue tues", "wednesday wed", "thursday thu thurs", "friday fri",
        "saturday sat", "sunday sun",
    ))
    for name in names.split()
}  # fmt: skip
NAMED_TIMES = {"noon": time(12), "midnight": time(0)}

_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)([a-z]*)")
_TIME = re.compile(r"([0-9]{1,2})(?::([0-9]{1,2}))?(?::([0-9]{1,2}))?(am|pm)?")
_PARTS = {("half", "past"): 30, ("quarter", "past"): 15, ("quarter", "to"): -15}
_ANY_DAY = date(2000, 1, 1)
_NOON = 12


class NotUnderstood(ValueError):
    """These words name no time, or might name several; nothing was guessed."""


@dataclass(slots=True)
class Words:
    """The words of a phrase, and how far it has been read."""

    spoken: Sequence[str]
    at: int = 0

    def peek(self, ahead: int = 0) -> str:
        """The word to come, in lower case and without its comma; empty at the end."""
        position = self.at + ahead
        return self.spoken[position].lower().rstrip(",") if position < len(self.spoken) else ""

    def take(self, *options: str) -> str:
        """Read the word to come if it is one of these; otherwise nothing, and empty."""
        word = self.peek()
        if word not in options or not word:
            return ""
        self.at += 1
        return word

    def rest(self) -> str:
        """What has not been read, as it was spoken."""
        return " ".join(self.spoken[self.at :])

    @property
    def is_read(self) -> bool:
        """Whether no word is left."""
        return self.at >= len(self.spoken)


def take_amount(words: Words) -> tuple[float, timedelta] | None:
    """A number with its unit: "5 minutes", "an hour", "half an hour", "90min"."""
    start = words.at
    share = 0.5 if words.take("half") else 1.0
    if written := _AMOUNT.fullmatch(words.peek()):
        number, unit = float(written[1]), written[2]
    elif (spoken := NUMBERS.get(words.peek())) is not None:
        number, unit = float(spoken), ""
    else:
        words.at = start
        return None
    words.at += 1
    if not unit:
        unit = words.peek()
        words.at += 1
    if unit not in UNITS:
        words.at = start
        return None
    return number * share, UNITS[unit]


def is_number(word: str) -> bool:
    """Whether it says how many: "5", "1.5", "two", "an", "half"."""
    written = _AMOUNT.fullmatch(word)
    return word in NUMBERS or word == "half" or (written is not None and not written[2])


def take_unit(words: Words) -> timedelta | None:
    """A unit on its own, as in "every hour"."""
    unit = UNITS.get(words.peek())
    if unit is not None:
        words.at += 1
    return unit


def take_weekday(words: Words) -> int | None:
    """A weekday's number, 0 for Monday."""
    weekday = WEEKDAYS.get(words.peek())
    if weekday is not None:
        words.at += 1
    return weekday


def take_time(words: Words) -> time | None:
    """A time of the day: "at 9", "at nine o'clock", "7:30", "7 pm", "noon".

    Half and quarter hours are "half past seven" and "quarter to 8 pm". A number alone is one only
    after "at". Raises `NotUnderstood` for a time that no clock shows.
    """
    start = words.at
    after_at = bool(words.take("at"))
    if (beside := _take_part(words)) is not None:
        return beside
    if (named := words.take(*NAMED_TIMES)) != "":
        return NAMED_TIMES[named]
    word = words.peek()
    if after_at and word in NUMBERS and word not in ("a", "an"):
        word = str(NUMBERS[word])
    half = words.peek(1) if words.peek(1) in ("am", "pm") else ""
    written = _TIME.fullmatch(word + half)
    if written is None or not (after_at or written[2] or written[4]):
        words.at = start
        return None
    words.at += 2 if half else 1
    words.take("o'clock")
    return _time_of(written)


def _take_part(words: Words) -> time | None:
    """A half or a quarter of an hour, and the hour it is past or to."""
    start = words.at
    words.take("a")
    part, side = words.take("half", "quarter"), words.take("past", "to")
    hour = words.peek()
    hour = str(NUMBERS.get(hour, hour))
    half = words.peek(1) if words.peek(1) in ("am", "pm") else ""
    written = _TIME.fullmatch(hour + half)
    if (part, side) not in _PARTS or written is None or written[2]:
        words.at = start
        return None
    words.at += 2 if half else 1
    full = datetime.combine(_ANY_DAY, _time_of(written))
    return (full + timedelta(minutes=_PARTS[part, side])).time()


def _time_of(written: re.Match[str]) -> time:
    hour, minute, second = (int(part or 0) for part in written.groups()[:3])
    try:
        if written[4]:
            return time(_hour_of(hour, written[4]), minute, second)
        return time(hour, minute, second)
    except ValueError:
        raise NotUnderstood(f"{written[0]} is no time of the day") from None


def _hour_of(hour: int, half: str) -> int:
    if not 1 <= hour <= _NOON:
        raise ValueError(hour)
    return hour % _NOON + (_NOON if half == "pm" else 0)
