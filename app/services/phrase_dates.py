"""Dates with the month in words, read off a phrase: "5 December", "Dec 5th", "5 dec 2027"."""

import re
from datetime import date

from app.services.phrase_words import NotUnderstood, Words

_MONTHS = {
    name: number
    for number, names in enumerate((
        "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul",
        "august aug", "september sep sept", "october oct", "november nov", "december dec",
    ), start=1)
    for name in names.split()
}  # fmt: skip
_NUMBER = re.compile(r"([0-9]{1,2})(st|nd|rd|th)?")
_YEAR = re.compile(r"(?:19|20|21)[0-9]{2}")
_YEARS = 9
"""Ahead in which a date without a year is looked for: 29 February may be that far away."""


def take_dates(words: Words, today: date) -> list[date]:
    """The days that this date may mean, the nearest first; none when no date begins here.

    Without a year it is the next one of its kind. Raises `NotUnderstood` for one that no calendar
    has.
    """
    start = words.at
    day, month = words.peek(), words.peek(1).rstrip(".")
    if day.rstrip(".") in _MONTHS:
        day, month = month, day.rstrip(".")
    written = _NUMBER.fullmatch(day)
    if written is None or month not in _MONTHS:
        return []
    words.at += 2
    year = words.peek() if _YEAR.fullmatch(words.peek()) else ""
    words.at += bool(year)
    years = (int(year),) if year else range(today.year, today.year + _YEARS)
    days = [each for number in years if (each := _date(number, _MONTHS[month], int(written[1])))]
    if not days:
        raise NotUnderstood(f"“{' '.join(words.spoken[start : words.at])}” is no date")
    return [each for each in days if each >= today] or days


def is_month(word: str) -> bool:
    """Whether it names a month."""
    return word in _MONTHS


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
