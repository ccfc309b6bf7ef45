"""Effects and steps of a job that is called as a function: in memory, as in anybody's tests."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from app.engine import (
    ASK,
    REPEAT,
    Attempt,
    BadArguments,
    BadPayload,
    DeclarationError,
    Duplicate,
    LeaseLost,
    NeedsReview,
    RetryLater,
    TooLarge,
    seconds,
)
from app.engine.memory import no_books
from app.engine.returned import LARGEST


@dataclass(frozen=True)
class Receipt:
    """What the other side said."""

    number: int


@dataclass
class Post:
    """The world outside: what was sent to it, and what it does next."""

    sent: list[str]
    failing: BaseException | None = None

    async def send(self, text: str) -> Receipt:
        """Send it, and perhaps fail after that."""
        self.sent.append(text)
        if self.failing is not None:
            raise self.failing
        return Receipt(len(self.sent))


@pytest.fixture
def post() -> Post:
    return Post([])


def again(attempt: Attempt) -> Attempt:
    """The next try of the same run."""
    return replace(attempt, number=attempt.number + 1)


async def test_an_effect_that_returned_is_not_repeated(attempt: Attempt, post: Post) -> None:
    first = await attempt.once("mail", post.send, "hi")
    second = await again(attempt).once("mail", post.send, "hi")

    assert post.sent == ["hi"]
    assert first == second == Receipt(1)


async def test_effects_of_other_names_and_other_runs_have_nothing_to_do_with_it(
    attempt: Attempt, post: Post
) -> None:
    await attempt.once("one", post.send, "one")
    await attempt.once("two", post.send, "two")
    await replace(attempt, run_id="run-2").once("one", post.send, "other")
    await replace(attempt, enqueued_ms=attempt.enqueued_ms + 1).once("one", post.send, "anew")

    assert post.sent == ["one", "two", "other", "anew"]


async def test_a_shared_effect_happens_once_whatever_run_comes(
    attempt: Attempt, post: Post
) -> None:
    await attempt.once("order:7", post.send, "7", shared=True)
    await attempt.once("order:7", post.send, "7", shared=True)
    kept = await replace(attempt, run_id="run-2").once("order:7", post.send, "7", shared=True)

    assert post.sent == ["7"]
    assert kept == Receipt(1)


@pytest.mark.parametrize("error", [RuntimeError("who knows"), TimeoutError(), ValueError()])
async def test_an_act_that_failed_is_in_doubt_when_it_may_not_be_repeated(
    attempt: Attempt, post: Post, error: Exception
) -> None:
    post.failing = error

    with pytest.raises(NeedsReview, match=r"unknown, needs review.*run-1.*'mail'") as raised:
        await attempt.once("mail", post.send, "hi", in_doubt=ASK)
    with pytest.raises(NeedsReview):
        await again(attempt).once("mail", post.send, "hi")

    assert raised.value.__cause__ is error
    assert post.sent == ["hi"]


@pytest.mark.parametrize("error", [ConnectionError("nobody there"), RetryLater(seconds(1))])
async def test_an_act_that_says_that_it_did_not_happen_is_done_by_the_next_attempt(
    attempt: Attempt, post: Post, error: Exception
) -> None:
    post.failing = error
    with pytest.raises(type(error)):
        await attempt.once("mail", post.send, "1", not_done=(ConnectionError,))
    post.failing = None

    await again(attempt).once("mail", post.send, "2", not_done=(ConnectionError,))

    assert post.sent == ["1", "2"]


async def test_an_act_that_failed_is_repeated_when_that_does_no_harm(
    attempt: Attempt, post: Post
) -> None:
    post.failing = RuntimeError()
    with pytest.raises(RuntimeError):
        await attempt.once("mail", post.send, "1", in_doubt=REPEAT)
    post.failing = None

    await again(attempt).once("mail", post.send, "2", in_doubt=REPEAT)

    assert post.sent == ["1", "2"]


async def test_an_act_that_was_cut_off_is_in_doubt(attempt: Attempt) -> None:
    begun = anyio.Event()

    async def send() -> None:
        begun.set()
        await anyio.sleep_forever()

    task = asyncio.create_task(attempt.once("mail", send))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    with pytest.raises(NeedsReview):
        await again(attempt).once("mail", send)


async def test_who_was_overtaken_in_the_middle_changes_nothing(
    attempt: Attempt, post: Post
) -> None:
    async def late() -> Receipt:
        await again(attempt).once("mail", post.send, "the other's", in_doubt=REPEAT)
        return Receipt(0)

    with pytest.raises(LeaseLost, match="another attempt has begun it again"):
        await attempt.once("mail", late, in_doubt=REPEAT)

    kept = await again(again(attempt)).once("mail", post.send, "never")
    assert kept == Receipt(1)
    assert post.sent == ["the other's"]


async def test_who_began_it_may_still_say_how_it_went_while_nobody_has_decided(
    attempt: Attempt, post: Post
) -> None:
    async def slow() -> Receipt:
        with pytest.raises(NeedsReview):
            await again(attempt).once("mail", post.send, "never")
        return Receipt(0)

    await attempt.once("mail", slow)

    assert await again(again(attempt)).once("mail", post.send, "never") == Receipt(0)
    assert not post.sent


async def test_a_result_that_cannot_be_kept_is_returned_once_and_the_effect_is_done(
    attempt: Attempt,
) -> None:
    sent: list[int] = []

    async def send() -> Any:
        sent.append(1)
        return object()

    first = await attempt.once("mail", send)
    second = await again(attempt).once("mail", send)

    assert first is not None
    assert second is None
    assert sent == [1]


async def test_a_type_that_cannot_travel_is_refused_before_anything_happens(
    attempt: Attempt,
) -> None:
    async def send() -> type[int]:
        raise AssertionError("never called")

    with pytest.raises(DeclarationError, match="can't travel"):
        await attempt.once("mail", send)
    with pytest.raises(DeclarationError, match="can't travel"):
        await attempt.step("mail", send)


async def test_a_finished_step_is_not_repeated_and_keeps_its_type(
    attempt: Attempt, post: Post
) -> None:
    first = await attempt.step("ask", post.send, text="a question")
    second = await again(attempt).step("ask", partial(post.send, text="a question"))

    assert post.sent == ["a question"]
    assert first == second == Receipt(1)


async def test_a_failed_step_is_repeated(attempt: Attempt, post: Post) -> None:
    post.failing = RuntimeError()
    with pytest.raises(RuntimeError):
        await attempt.step("ask", post.send, "1")
    post.failing = None

    assert await again(attempt).step("ask", post.send, "2") == Receipt(2)


async def test_a_step_whose_type_has_changed_says_so(attempt: Attempt, post: Post) -> None:
    async def text() -> str:
        raise AssertionError("never called")

    await attempt.step("ask", post.send, "1")

    with pytest.raises(BadPayload, match="does not fit"):
        await again(attempt).step("ask", text)


async def test_a_result_of_a_step_is_not_too_large(attempt: Attempt) -> None:
    async def much() -> str:
        return "x" * LARGEST

    with pytest.raises(TooLarge, match=r"much returned \d+ bytes"):
        await attempt.step("much", much)


async def test_a_name_is_used_once_in_an_attempt(attempt: Attempt, post: Post) -> None:
    await attempt.step("a", post.send, "1")
    await attempt.once("a", post.send, "2")

    with pytest.raises(Duplicate, match="step 'a' was used before in this run"):
        await attempt.step("a", post.send, "3")
    with pytest.raises(Duplicate, match="effect 'a' was used before in this run"):
        await attempt.once("a", post.send, "3")
    assert post.sent == ["1", "2"]


@pytest.mark.parametrize("name", ["", "a\nb", "a\0", "x" * 401])
async def test_a_name_is_one_printable_line(attempt: Attempt, post: Post, name: str) -> None:
    with pytest.raises(BadArguments, match="1 to 400 printable"):
        await attempt.step(name, post.send, "1")


async def test_an_arq_worker_refuses_what_it_cannot_keep(attempt: Attempt, post: Post) -> None:
    theirs = replace(attempt, books=no_books())

    with pytest.raises(DeclarationError, match=r"test\.job: the step would be kept by"):
        await theirs.step("a", post.send, "1")
    assert not post.sent
