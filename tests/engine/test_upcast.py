"""Payloads of an older release, lifted to the arguments of today."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.engine import (
    NEVER,
    Arguments,
    BadArguments,
    DeadLetters,
    DeclarationError,
    job,
    seconds,
)
from app.engine.upcast import Upcast
from tests.engine.conftest import Bench, Open


@job(name="test.greet", queue="default", retry=NEVER)
async def by_name(ctx: Bench, name: str) -> str:
    """Be as it was."""
    ctx.page.append(name)
    return f"hello {name}"


def split(version: int, old: Arguments) -> Arguments:
    """Two names of one."""
    first, last = old.args[0].split()
    return Arguments(first, last=last, version=version)


@job(name="test.greet", queue="default", retry=NEVER, version=3, upcast=split)
async def greet(ctx: Bench, first: str, last: str, version: int = 3) -> str:
    """Be as it is."""
    ctx.page.append(f"{last}, {first}")
    return f"lifted from {version}"


async def test_an_old_payload_is_lifted_and_a_new_one_is_left_alone(workshop: Open) -> None:
    async with workshop(greet) as shop:
        old = await shop.client.enqueue(by_name, "Ann Lee")
        older_than_none = await shop.client.enqueue(replace(by_name, version=2), "Bo Day")
        new = await shop.client.enqueue(greet, "Cy", "Fox")

        async with shop.working():
            said = [await each.result(within=seconds(5)) for each in (old, older_than_none, new)]

        assert said == ["lifted from 1", "lifted from 2", "lifted from 3"]
        assert sorted(shop.page) == ["Day, Bo", "Fox, Cy", "Lee, Ann"]


def _raise(error: BaseException) -> Callable[[int, Arguments], Arguments]:
    def upcast(version: int, old: Arguments) -> Arguments:
        assert (version, old.args) == (1, ("Ann",))
        raise error

    return upcast


def _return(value: Any) -> Upcast:
    def upcast(version: int, old: Arguments) -> Any:
        assert (version, old.args) == (1, ("Ann",))
        return value

    return upcast


@pytest.mark.parametrize(
    "upcast",
    [
        split,  # there is no last name in what it gets
        _raise(RuntimeError("no idea")),
        _raise(SystemExit(3)),
        _raise(KeyboardInterrupt()),
        _return(None),
        _return(Arguments(1, 2)),
        _return(Arguments("only one")),
        _return(Arguments("a", "b", nope=1)),
        _return(Arguments(object(), "b")),
    ],
)
async def test_what_can_not_be_lifted_is_a_dead_letter_with_its_payload(
    workshop: Open, upcast: Upcast
) -> None:
    async with workshop(greet) as shop:
        handle = await shop.client.enqueue(by_name, "Ann")
        before = await shop.client.store.redis.get(f"arq:job:{handle.id}")

        await shop.drain(jobs=[replace(greet, upcast=upcast)])

        letter = await DeadLetters(shop.client).get(handle.id)
        assert isinstance(letter.last.error, BadArguments)
        assert letter.payload == before
        assert shop.page == []


async def test_a_letter_is_retried_once_its_upcast_is_mended(workshop: Open) -> None:
    async with workshop(greet) as shop:
        handle = await shop.client.enqueue(by_name, "Ann")
        await shop.drain()

        again = await DeadLetters(shop.client).retry(handle.id)
        await shop.drain(jobs=[replace(greet, upcast=_return(Arguments("Ann", "?")))])

        assert await again.result() == "lifted from 3"


def test_an_upcast_needs_a_version_to_lift_to() -> None:
    with pytest.raises(DeclarationError, match="version"):

        @job(name="test.odd", upcast=split)
        async def odd(ctx: Bench) -> None:
            """Never be declared."""
