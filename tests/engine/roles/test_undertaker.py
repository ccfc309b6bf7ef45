"""Too many dead letters are told of, and none is forgotten unless it was asked for."""

import logging
from datetime import timedelta

import pytest

from app.engine import Client, DeadLetters, ManualClock, days
from app.engine.roles.undertaker import MANY, Undertaker
from tests.engine.jobs import write
from tests.engine.steps import buried, claim

FOREVER = timedelta(0)


async def a_death(client: Client) -> str:
    handle = await client.enqueue(write, "x")
    await client.store.commit([buried((await claim(client.store)).runs[0])])
    return handle.id


async def test_nothing_is_forgotten_unless_told(client: Client, clock: ManualClock) -> None:
    await a_death(client)
    clock.advance(days(1000))

    await Undertaker(client.store, keep=FOREVER).look()

    assert await DeadLetters(client).count() == 1


async def test_what_is_older_than_letters_are_kept_is_forgotten(
    client: Client, clock: ManualClock
) -> None:
    await a_death(client)
    clock.advance(days(2))
    young = await a_death(client)
    letters = DeadLetters(client)

    await Undertaker(client.store, keep=days(1)).look()

    assert [each.id for each in await letters.list()] == [young]
    assert [each.count for each in await letters.groups()] == [1]


async def test_too_many_are_told_of_once(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    await client.store.redis.zadd("steward:dead", {f"run-{n}": n for n in range(MANY - 1)})
    undertaker = Undertaker(client.store, keep=FOREVER)

    await undertaker.look()
    assert not caplog.messages
    await client.store.redis.zadd("steward:dead", {"the-last-straw": 1})
    await undertaker.look()
    await undertaker.look()

    (said,) = caplog.messages
    assert said.startswith("there are 10000 dead letters")
    assert await DeadLetters(client).count() == MANY
