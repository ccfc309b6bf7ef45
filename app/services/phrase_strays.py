"""Words that stand where a time may be meant, and can't be read as one: what is not guessed."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Final

from app.services.phrase_dates import is_month, take_dates
from app.services.phrase_words import (
    NAMED_TIMES,
    NUMBERS,
    UNITS,
    WEEKDAYS,
    Words,
    is_number,
    take_amount,
    take_time,
)

LEADS: Final = ("to", "that", "about")
"""What a reminder's own words are led in by."""
_FULL_NAMES = frozenset(name for name in WEEKDAYS if name.endswith("day"))
_DAYS = frozenset({"today", "tomorrow", "tonight", "yesterday"}) | _FULL_NAMES
_RHYTHMS = frozenset(
    {"every", "each", "daily", "weekly", "monthly", "hourly", "nightly", "yearly", "annually"}
    | {"biweekly", "bimonthly", "fortnightly", "quarterly", "weekdays", "weekends"}
    | {f"{day}s" for day in _FULL_NAMES}
)
_TELLTALES = _DAYS | _RHYTHMS | frozenset(NAMED_TIMES)
_VAGUE = frozenset(
    {"next", "last", "this", "tonight", "yesterday", "morning", "afternoon", "evening", "night"}
    | {"weekend", "later", "soon"}
)
"""Each may mean several moments, so none."""
_HEDGES = frozenset(
    {"around", "about", "circa", "ca", "roughly", "approximately", "approx", "nearly", "almost"}
    | {"past", "ago", "latest", "earliest", "week", "weeks", "fortnight", "excepted", "excluded"}
)
"""Beside a time they make another of it, or none: "friday week", "around 7pm", "5 minutes ago"."""
_ZONES = frozenset(
    {"utc", "gmt", "z", "wet", "west", "cet", "cest", "eet", "eest", "msk", "bst", "ist", "jst"}
    | {"est", "edt", "cst", "cdt", "mst", "mdt", "pst", "pdt"}
)
"""Times are by the user's own clock; "9 UTC" would be another."""
_PARTS_OF_DAY = frozenset({"morning", "afternoon", "evening", "night"})
_HALVES = ("am", "pm", "o'clock")
_JOINTS = frozenset(
    {"at", "in", "on", "and", "or", "by", "before", "after", "until", "till", "from", "between"}
    | {"since", "next", "last", "this", "within", "for", "not", "except", "but", "per", "-"}
)
_BESIDE = _JOINTS | _RHYTHMS | _HEDGES
_AREAS = frozenset(
    {"africa", "america", "asia", "atlantic", "australia", "europe", "indian", "pacific"}
)
_KNOWN = (
    _JOINTS | _RHYTHMS | _DAYS | NUMBERS.keys() | UNITS.keys() | WEEKDAYS.keys()
    | NAMED_TIMES.keys()
    | {"the", "of", "month", "weekday", "half", "quarter", "past", "o'clock", "am", "pm"}
) - _VAGUE  # fmt: skip
_HOURS_IN_WORDS = NUMBERS.keys() - {"a", "an"}
_LAST_ON_A_CLOCK = 12
_ANYTHING = {e for e in _HOURS_IN_WORDS if e == "one" or not 0 < NUMBERS[e] <= _LAST_ON_A_CLOCK}
"""After other words these are rather something than an hour: "call at one", "keep it at twenty"."""
_TOWARDS = re.compile(
    "(aim|guess|hint|laugh|look|peek|peep|point|shoot|shout|sniff|throw|yell)(s|ed|ing)?"
    "|(gaz|glanc|pok|smil|star|wav)(e|es|ed|ing)"
)
"""What is done at something: "have a look at two", "smile at one"."""
_LEAP_YEAR = date(2024, 1, 1)  # every date exists in it


def names_a_time(text: Sequence[str]) -> bool:
    """Whether words meant as a reminder's text hold something that may be a time after all."""
    return any(_begins_a_time(Words(text, at)) for at in range(len(text)))


def _begins_a_time(words: Words) -> bool:
    if words.peek() in _TELLTALES or take_time(words) or take_dates(words, _LEAP_YEAR):
        return True
    return bool(words.take("in")) and take_amount(words) is not None


def is_loose_end(word: str) -> bool:
    """Whether a word beside a time seems to belong to it: "and", "next", "12", "fri", "UTC"."""
    plain = word.lower().strip(",")
    return plain in _BESIDE or plain in WEEKDAYS or plain[:1].isdigit() or _is_zone(plain)


def _is_zone(plain: str) -> bool:
    """ "Europe/Berlin", "UTC+2"."""
    area, slash, place = plain.partition("/")
    is_place = bool(slash) and area in _AREAS and place.replace("_", "").isalpha()
    return is_place or re.split("[+-]", plain)[0] in _ZONES


def after_time(rest: Sequence[str]) -> Sequence[str]:
    """The words after a time that seem to belong to it, up to the first that says nothing exact.

    None when the word after it is no loose end, nor one like "evening" or "december".
    """
    plain = rest[0].lower().strip(",")
    is_there = [each.lower().strip(",") for each in rest[1:2]] == ["time"]  # "Berlin time"
    if not (is_loose_end(plain) or plain in _PARTS_OF_DAY or is_month(plain) or is_there):
        return ()
    spoken = Words(rest)
    while not spoken.is_read and spoken.peek() not in LEADS:
        is_known = _is_known(spoken.peek())
        spoken.at += 1
        if not is_known:
            break
    return rest[: spoken.at]


def doubtful_hour(time: Sequence[str], *, before: Sequence[str], after: Sequence[str]) -> str:
    """The word after "at" that may be no hour beside these words of a reminder; empty if it is one.

    It surely is one with "am", "pm" or "o'clock", or behind a day.
    """
    if before:
        words = Words(time, 1)
        is_bare = Words(time).peek() == "at" and words.peek(1) not in _HALVES
        towards = any(_TOWARDS.fullmatch(each.lower().strip(",")) for each in before[-2:])
        hours = _HOURS_IN_WORDS if towards else _ANYTHING
        is_doubtful = words.peek() in hours or (towards and words.peek().isdigit())
    else:
        words = Words(time, len(time) - 1)
        is_bare = bool(after) and words.peek(-1) == "at" and not time[-1].endswith(",")
        is_doubtful = words.peek() in _HOURS_IN_WORDS
    return words.peek() if is_bare and is_doubtful else ""


def first_stray(spoken: Sequence[str]) -> str:
    """The first word of the time that says nothing exact; empty when no word is to blame alone.

    Before "to" every word is the time's. Without one it is told from a reminder by what it follows
    ("in", or "in" and a number), or by its being vague.
    """
    leads = [at for at, word in enumerate(spoken) if at and word.lower() in LEADS]
    has_past = [at for at in leads if spoken[at - 1].lower() != "quarter"]
    time = spoken[: has_past[0]] if has_past else spoken
    words = Words(time)
    while not words.is_read:
        if words.peek() in _VAGUE or (has_past and not _is_known(words.peek())):
            return time[words.at]
        if words.take("in"):
            words.at += is_number(words.peek())
            if words.peek() not in UNITS:
                return "" if words.is_read else time[words.at]
        words.at += 1
    return ""


def _is_known(word: str) -> bool:
    return word in _KNOWN or is_month(word.rstrip(".")) or word[:1].isdigit()
