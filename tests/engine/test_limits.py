"""What a job's limits go by, and what is refused when they are declared."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.engine import (
    AtOnce,
    BadArguments,
    Breaker,
    DeclarationError,
    Job,
    Rate,
    job,
    minutes,
    seconds,
)
from app.engine.limits import Limit, asks
from tests.engine.conftest import Bench


def limited(*limits: Limit) -> Job[Bench, ..., None]:
    @job(name="test.limited", limits=limits)
    async def run(
        ctx: Bench, account: str, number: int = 1, *rest: int, tag: UUID | None = None
    ) -> None:
        raise NotImplementedError

    return run


def halves(number: int, account: str) -> str:
    return f"{account}/{number % 2}"


def of_a_user(user: int) -> int:
    return user


def one_by(number: int) -> int:
    return 1 // number


def names_of(job: Job[Any, ..., Any], *args: object, **kwargs: object) -> list[str]:
    return [each.name for each in asks(job.limits, job.signature, args, kwargs)]


def test_a_limit_goes_by_an_argument_however_it_is_given() -> None:
    ours = limited(AtOnce(2, by="account"), Rate(3, per=seconds(1), by="number"))

    expected = ["at_once:test.limited.account:ann", "rate/1000:test.limited.number:1"]
    assert names_of(ours, "ann") == expected
    assert names_of(ours, account="ann", number=1) == expected
    assert names_of(ours, "bob", 2) != expected


def test_a_function_makes_a_key_of_the_arguments_that_it_names() -> None:
    ours = limited(AtOnce(2, by=halves))

    assert names_of(ours, "ann", 4) == ["at_once:test.limited.by:ann/0"]


def test_jobs_share_a_limit_by_its_name() -> None:
    @job(name="test.other", limits=[Breaker(name="openai", by="account")])
    async def other(ctx: Bench, account: str) -> None:
        raise NotImplementedError

    ours = limited(Breaker(name="openai", by="account"), AtOnce(9))

    assert names_of(ours, "ann") == ["breaker:openai:ann", "at_once:test.limited.all"]
    assert names_of(other, "ann") == ["breaker:openai:ann"]


def test_what_is_no_text_or_long_is_known_by_its_hash() -> None:
    ours, tag = limited(AtOnce(2, by="tag")), UUID(int=7)

    first, same, other = (names_of(ours, "x", tag=each) for each in (tag, UUID(int=7), UUID(int=8)))
    (long,) = names_of(limited(AtOnce(1, by="account")), "x" * 10_000)

    assert first == same != other
    assert len(long) < 100


def test_what_is_no_limited_argument_costs_nothing_to_know() -> None:
    assert limited().limits == ()


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ([AtOnce(2, by="acount")], "'acount': no such argument"),
        ([AtOnce(2, by=of_a_user)], "'user': no such argument"),
        ([AtOnce(2, by="rest")], "'rest': no such argument"),
        ([AtOnce(0)], "out of all bounds"),
        ([Rate(3, per=timedelta(0))], "out of all bounds"),
        ([Rate(10**9, per=minutes(1))], "out of all bounds"),
        ([Breaker(failures=0)], "out of all bounds"),
        ([Breaker(rest=-minutes(1))], "out of all bounds"),
        ([AtOnce(2, by="account"), AtOnce(3, by="account")], "two limits are the same"),
        (["2"], "'2' is no limit"),
    ],
)
def test_what_can_not_work_is_refused_when_declared(limits: Sequence[Any], why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        limited(*limits)


def test_a_rate_may_have_two_spans() -> None:
    ours = limited(Rate(3, per=seconds(1)), Rate(30, per=minutes(1)))

    assert names_of(ours, "x") == [
        "rate/1000:test.limited.all",
        "rate/60000:test.limited.all",
    ]


def test_a_by_that_fails_is_the_arguments_fault() -> None:
    ours = limited(AtOnce(1, by=one_by))

    with pytest.raises(BadArguments, match=r"test\.limited: .*ZeroDivisionError"):
        names_of(ours, "x", 0)
