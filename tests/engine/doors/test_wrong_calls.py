"""Hundreds of wrong calls in a row: each is refused with its reason, and none leaves a byte."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any, cast

import pytest

from app.engine import BadArguments, Client, TooLarge, UnknownJob
from tests.engine.doors import test_client as tables
from tests.engine.doors.test_client import invite, loose, strict
from tests.engine.jobs import write
from tests.engine.steps import keys_of
from tests.plugins.cases import Case

__all__ = ["strict"]

Wrong = tuple[Any, tuple[Any, ...], dict[str, Any]]
"""What is to be called, and with what."""

ODD_NAMES = (
    *("", " ", "\t", "a b", "a\nb", "a\r\nSET x 1", "a\0", "*", "?", "[a]", "{a}", "a|b", "a/b"),
    *("../a", "ä", "日本", "\u202ea", "\udcff", "x" * 201, b"a", 7, 1.5, True, ["a"], {"a": 1}),
)
ODD_SPANS = (-1, 60, 1.5, "60", True, timedelta(microseconds=-1), timedelta.max, timedelta.min)
ODD_MOMENTS = ("now", 0, 1.5, tables.NAIVE, tables.NAIVE.date(), tables.NAIVE.time(), timedelta(1))
NO_TEXT = (
    *(5, 1.5, None, True, b"x", ["x"], ("x",), {"x"}, {"x": 1}, object(), str, 1j, range(3)),
    *(tables.ANN, float("nan"), 2**64, "\ud800", "x" * 300_000, len),
)
ARQS = ("_job_id", "_queue_name", "_defer_until", "_defer_by", "_expires", "_job_try", "ctx")


def wrong_calls() -> Iterator[Wrong]:
    """All those whose options are right."""
    yield from ((invite, args, kwargs) for args, kwargs in tables.WRONG_ARGUMENTS)
    for value in tables.WRONG_ANYTHING:
        yield loose, (value,), {}
        yield loose, (1,), {"other": value}
    for text in NO_TEXT:
        yield write, (text,), {}
        yield write, (), {"text": text}
    yield from ((what, (), {}) for what in tables.NO_JOBS)
    yield from ((write, ("x",), {name: "y"}) for name in ARQS)


def wrong_options() -> Iterator[dict[str, Any]]:
    """All those of calls that are right."""
    yield from (each for each in tables.WRONG_OPTIONS if "nope" not in each)
    for name, value in product(("id", "key", "owner"), ODD_NAMES):
        yield {name: value}
    for value in ODD_SPANS:
        yield {"delay": value}
        yield {"key": "k", "held": value}
    for value in ODD_MOMENTS:
        yield {"at": value}


@pytest.mark.case(46)
async def test_hundreds_of_wrong_calls_are_refused_and_write_nothing(
    strict: Client, case: Case
) -> None:
    refused, enqueue = list[str](), cast("Any", strict.enqueue)
    for what, args, kwargs in wrong_calls():
        with pytest.raises((BadArguments, TooLarge, UnknownJob)) as error:
            await enqueue(what, *args, **kwargs)
        refused.append(str(error.value))
    for options in wrong_options():
        with pytest.raises(BadArguments) as error:
            await enqueue(write.with_options(**options), "x")
        refused.append(str(error.value))

    assert all(0 < len(said) < 3000 for said in refused)
    assert await keys_of(strict) == set()
    assert len(refused) >= 300
    case.says(
        f"{len(refused)} wrong calls",
        arq="takes them, and fails when they run; a moment two days ago is a ResponseError",
        steward="a typed error at each call, 0 keys written",
    )
