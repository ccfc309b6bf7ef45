"""Durable steps, with workers and Redis: what is finished is not begun again."""

import dataclasses
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app.engine import DeadLetters, Fixed, RetryLater, RunStatus, job
from app.engine.redis import keys
from tests.engine.conftest import Bench, Open, Workshop
from tests.engine.steps import keys_of
from tests.eventually import eventually

AT_ONCE = Fixed(timedelta(0), attempts=3)


@dataclass(frozen=True)
class Answer:
    """What a model is paid for."""

    text: str


async def _ask(page: list[str], question: str) -> Answer:
    page.append(question)
    return Answer(question.upper())


@job(name="test.talk", queue="default", retry=AT_ONCE)
async def talk(ctx: Bench, failures: int, snoozes: bool = False) -> str:
    """Ask twice, failing so many times between the questions."""
    first = await ctx.attempt.step("first", _ask, ctx.page, "a")
    if snoozes and not ctx.gate.is_set():
        ctx.gate.set()
        raise RetryLater(timedelta(0))
    if ctx.attempt.number <= failures:
        raise RuntimeError("in between")
    second = await ctx.attempt.step("second", _ask, ctx.page, question="b")
    return first.text + second.text


async def test_finished_steps_are_not_repeated_by_later_attempts(workshop: Open) -> None:
    async with workshop(talk) as shop:
        handle = await shop.client.enqueue(talk, 2)

        await shop.drain()

        assert await handle.result() == "AB"
        assert shop.page == ["a", "b"]
        assert await _books(shop) == []


async def test_a_run_that_asked_to_be_run_later_has_its_steps_then(workshop: Open) -> None:
    async with workshop(talk) as shop:
        handle = await shop.client.enqueue(talk, 0, snoozes=True)

        await shop.drain()

        assert await handle.result() == "AB"
        assert shop.page == ["a", "b"]
        assert await _books(shop) == []


async def test_a_dead_letter_keeps_its_steps_for_its_replay(workshop: Open) -> None:
    async with workshop(talk) as shop:
        handle = await shop.client.enqueue(talk, 3)
        await shop.drain()
        assert await _books(shop) == [keys.book(handle.id)]

        replayed = await DeadLetters(shop.client).retry(handle.id)
        assert await _books(shop) == [keys.book(replayed.id)]
        await shop.drain()

        assert await replayed.status() is RunStatus.DEAD
        assert shop.page == ["a"]
        await DeadLetters(shop.client).drop(replayed.id)
        assert await _books(shop) == []


async def test_a_run_cancelled_between_its_attempts_leaves_no_book(workshop: Open) -> None:
    async with workshop(talk) as shop:
        slow = dataclasses.replace(talk, retry=Fixed(timedelta(hours=1), attempts=3))
        handle = await shop.client.enqueue(talk, 1)
        async with shop.working(jobs=[slow]):
            await eventually(lambda: len(shop.heard) == 1)
        assert await _books(shop) == [keys.book(handle.id)]

        assert await handle.cancel()

        assert await _books(shop) == []


async def test_what_was_altered_in_redis_is_no_result(workshop: Open) -> None:
    async with workshop(talk) as shop:
        handle = await shop.client.enqueue(talk, 3)
        await shop.drain()
        redis: Any = shop.client.store.redis
        book = keys.book(handle.id)
        (line,) = await redis.hkeys(book)
        await redis.hset(book, line, b"forged")

        replayed = await DeadLetters(shop.client).retry(handle.id)
        await shop.drain()

        letter = await DeadLetters(shop.client).get(replayed.id)
        assert letter.last.kind.endswith("BadPayload")
        await DeadLetters(shop.client).drop(replayed.id)


async def _books(shop: Workshop) -> list[str]:
    return sorted(each for each in await keys_of(shop.client) if each.startswith(keys.BOOK))
