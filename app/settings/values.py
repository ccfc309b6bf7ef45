"""What a setting may be: the checks that several settings share."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

_TIMES_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", re.ASCII)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Vilnius") from None
    return name


def _address(text: str) -> str:
    name, at, host = text.partition("@")
    if not (name and at and host) or any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError("must be a mail address such as ann@example.com")
    return text


def _times_of_day(text: str) -> str:
    if text and not (_TIMES_OF_DAY.fullmatch(text) and text[:5] != text[6:]):
        raise ValueError("must be two times such as 22:00-07:30, or empty")
    return text


def _phone(text: str) -> str:
    if text and not re.fullmatch(r"\+[1-9][0-9]{6,14}", text):
        raise ValueError("must be a phone number such as +4915112345678")
    return text


def _seconds(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    try:
        span = timedelta(seconds=float(str(value)))
    except (ValueError, OverflowError):
        raise ValueError("must be a number of seconds") from None
    if span < timedelta(0):
        raise ValueError("must not be less than 0 seconds")
    return span


def _positive(span: timedelta) -> timedelta:
    if not span:
        raise ValueError("must be more than 0 seconds")
    return span


def _listed(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        found: Any = json.loads(value)
    except ValueError:
        found = None
    if isinstance(found, list):
        return tuple(cast("list[object]", found))
    raise ValueError('must be a JSON list such as ["a", "b"]')


def _limits(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        found: Any = json.loads(value)
    except ValueError:
        found = None
    if isinstance(found, dict) and all(
        type(limit) is int and limit > 0 for limit in cast("dict[str, object]", found).values()
    ):
        return cast("dict[str, object]", found)
    raise ValueError('must be JSON with numbers of 1 or more, such as {"email": 2}')


def _absolute(folder: Path) -> Path:
    if not folder.is_absolute():
        raise ValueError("must be an absolute path")
    return folder


def _or_none(value: object) -> object:
    return None if value == "" else value


Folder = Annotated[Path, AfterValidator(_absolute)]
OptionalFolder = Annotated[Folder | None, BeforeValidator(_or_none)]
"""A folder by its absolute path; empty is none."""


def _named(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        found: Any = json.loads(value)
    except ValueError:
        found = None
    if isinstance(found, dict):
        named = cast("dict[str, object]", found)
        if all(isinstance(each, str) for each in named.values()):
            return named
    raise ValueError('must be JSON with texts by name, such as {"a": "b"}')


Zone = Annotated[str, AfterValidator(_zone)]
Address = Annotated[str, AfterValidator(_address)]
Phone = Annotated[str, AfterValidator(_phone)]
TimesOfDay = Annotated[str, AfterValidator(_times_of_day)]
Seconds = Annotated[timedelta, BeforeValidator(_seconds)]
Span = Annotated[Seconds, AfterValidator(_positive)]
Listed = (NoDecode, BeforeValidator(_listed))
"""Marks a tuple that is written as a JSON list."""
Limits = (NoDecode, BeforeValidator(_limits))
"""For a field of numbers by name: one JSON value, and what is wrong with it said in one line."""
Named = (NoDecode, BeforeValidator(_named))
"""For a field of texts by name: one JSON value."""
