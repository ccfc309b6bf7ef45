"""A model on a server of ours: what it says is an answer, and what it says instead is an error."""

import json
import logging
import sys
import traceback
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.engine import ManualClock, minutes, seconds
from app.engine.retry import is_permanent
from app.services.ai import (
    Account,
    Answer,
    AssistantError,
    AssistantUnavailable,
    KeyRefused,
    MissingExtra,
    ModelAssistant,
    RefusedByAssistant,
    UnknownModel,
    UnusableAnswer,
)
from app.services.ai.model import LONGEST_ANSWER, cleaned
from app.storage.clock import Now, utc_now
from app.storage.task import TaskType
from tests.services.ai.provider_server import (
    TOKENS,
    ProviderServer,
    Say,
    completion,
    cut,
    endless,
    provider_server,
    refusal,
    reply,
    said,
)
from tests.services.ai.test_ai import REQUEST

KEY = "sk-canary-0123456789abcdef"
PERIODIC = replace(REQUEST, task_type=TaskType.PERIODIC, ai_context="The week.", title="Plan")


@asynccontextmanager
async def asking(
    *answers: Say, now: Now = utc_now, **account: Any
) -> AsyncGenerator[tuple[ModelAssistant, ProviderServer]]:
    """An assistant whose model gives these answers, and its server."""
    async with provider_server(*answers) as server:
        plain = Account(model="tiny", base_url=server.url, key=KEY)
        async with ModelAssistant.open(replace(plain, **account), now=now) as model:
            yield model, server


async def test_a_models_answer_names_the_model_and_its_tokens() -> None:
    async with asking(said("Monday: rest.")) as (model, server):
        answer = await model.answer(PERIODIC)

        assert answer == Answer("Monday: rest.", "llm:tiny", tokens=TOKENS)
        assert server.keys == [f"Bearer {KEY}"]
        (asked,) = server.asked
        assert (asked["model"], "tools" in asked) == ("tiny", False)
        assert asked["max_completion_tokens" if "max_completion_tokens" in asked else "max_tokens"]


@pytest.mark.parametrize(
    ("kind", "description", "ai_context", "told"),
    [
        (TaskType.REMINDER, "", "", "The task is a reminder"),
        (TaskType.PERIODIC, "", "The week.", "The task recurs"),
        (TaskType.AUTOMATED, "Of May.", "", "carried out once"),
        (TaskType.AUTOMATED, "", "", "nothing but its title"),
    ],
)
async def test_each_kind_of_task_has_its_prompt(
    kind: TaskType, description: str, ai_context: str, told: str
) -> None:
    async with asking(said("fine")) as (model, server):
        await model.answer(
            replace(REQUEST, task_type=kind, description=description, ai_context=ai_context)
        )

        prompt = json.dumps(server.asked[0]["messages"])
        assert told in prompt
        assert all(each in prompt for each in ("Call Ann", "2026-11-24", description, ai_context))


@pytest.mark.case(61)
@pytest.mark.parametrize(
    ("answer", "error", "text", "requests"),
    [
        (refusal(401), KeyRefused, "refuses the key (401)", 1),
        (refusal(403), KeyRefused, "refuses the key (403)", 1),
        (refusal(404), UnknownModel, "no such model", 1),
        (refusal(400), RefusedByAssistant, "refuses the request (400)", 1),
        (refusal(500), AssistantUnavailable, "in trouble (500)", 1),
        (refusal(503), AssistantUnavailable, "in trouble (503)", 1),
        (cut(), AssistantUnavailable, "can't be reached, or broke off", 1),
        (endless(), UnusableAnswer, "does not end", 1),
        (reply(b"<html>"), AssistantError, "can't be asked", 1),
        (completion("sure thing"), UnusableAnswer, "not of the form", 3),
        (completion('{"done": "perhaps"}'), UnusableAnswer, "not of the form", 3),
        (completion(None), UnusableAnswer, "not of the form", 3),
        (said(""), UnusableAnswer, "not of the form", 3),
        (said("\x1b\u202e\x00"), UnusableAnswer, "empty", 1),
        (said("I have no hands.", done=False), RefusedByAssistant, "I have no hands.", 1),
        (completion('{"done": tr', finish="length"), UnusableAnswer, "too long", 1),
        (completion(None, finish="content_filter"), RefusedByAssistant, "filter", 1),
    ],
)
async def test_what_is_no_answer_is_an_error_in_our_words(
    answer: Say, error: type[Exception], text: str, requests: int
) -> None:
    async with asking(answer) as (model, server):
        with pytest.raises(error) as raised:
            await model.answer(PERIODIC)

        assert text in str(raised.value)
        assert len(server.asked) == requests
        assert is_permanent(raised.value) is not isinstance(raised.value, AssistantError)


@pytest.mark.case(61)
async def test_a_tool_nobody_has_given_it_is_not_called() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "send_mail", "arguments": "{}"}}
    async with asking(completion(None, finish="tool_calls", tool_calls=[call])) as (model, server):
        with pytest.raises(UnusableAnswer):
            await model.answer(PERIODIC)

        assert len(server.asked) <= 3


async def test_a_wrong_answer_is_repaired() -> None:
    async with asking(completion("sure thing"), said("Rest.")) as (model, server):
        answer = await model.answer(PERIODIC)

        assert (answer.text, answer.tokens, len(server.asked)) == ("Rest.", 2 * TOKENS, 2)


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (refusal(429, retry_after="90"), seconds(90)),
        (refusal(429), seconds(30)),
        (refusal(429, retry_after="-5"), seconds(30)),
        (refusal(429, retry_after="soon"), seconds(30)),
        (refusal(429, retry_after="999999999"), timedelta(days=1)),
        (refusal(529, retry_after="7"), seconds(7)),
        (refusal(529), seconds(30)),
        (refusal(503, retry_after="8"), seconds(8)),
        (refusal(402), timedelta(hours=1)),
    ],
)
async def test_a_provider_that_asks_to_wait_is_left_alone(
    clock: ManualClock, answer: Say, wait: timedelta
) -> None:
    async with asking(answer, said("Rest."), now=clock.now) as (model, server):
        with pytest.raises(AssistantUnavailable) as raised:
            await model.answer(PERIODIC)
        assert raised.value.retry_after == wait
        clock.advance(wait - seconds(3))
        with pytest.raises(AssistantUnavailable) as again:
            await model.answer(PERIODIC)
        assert again.value.retry_after is not None
        assert len(server.asked) == 1
        clock.advance(seconds(3))

        answered = await model.answer(PERIODIC)

        assert (answered.text, len(server.asked)) == ("Rest.", 2)


async def test_an_answer_that_takes_too_long_is_given_up() -> None:
    async with asking(endless(pause=0.05), timeout=seconds(0.5)) as (model, _):
        with pytest.raises(AssistantUnavailable, match=r"no answer within 0\.5 s"):
            await model.answer(PERIODIC)


async def test_nobody_at_the_address_is_an_error_that_a_retry_may_mend() -> None:
    async with asking(said("x"), base_url="http://127.0.0.1:1/v1") as (model, _):
        with pytest.raises(AssistantUnavailable, match="can't be reached"):
            await model.answer(PERIODIC)


@pytest.mark.parametrize(
    "answer", [refusal(429, retry_after="900"), refusal(401), completion("sure thing")]
)
async def test_a_reminder_is_told_in_its_own_words_when_the_model_has_none(answer: Say) -> None:
    async with asking(answer) as (model, server):
        first, second = [await model.answer(REQUEST) for _ in range(2)]

        assert first == second == Answer("Reminder: Call Ann", "rules")
        assert server.asked


async def test_nothing_of_a_task_or_an_answer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with asking(said("secret answer", done=False), said("secret answer")) as (model, _):
        for _ in range(2):
            await model.answer(replace(REQUEST, description="secret task"))

    assert "own words: RefusedByAssistant" in caplog.text
    assert "secret" not in caplog.text


async def test_what_a_model_says_is_harmless_and_cut() -> None:
    hostile = "\x1b[31mred\r\nline\u202e\x00 $(rm -rf /) {{7*7}}\u2066" + "x" * 9000
    async with asking(said(hostile)) as (model, _):
        text = (await model.answer(PERIODIC)).text

    assert text.startswith("[31mred\nline $(rm -rf /) {{7*7}}xxx")
    assert (len(text), text[-1]) == (LONGEST_ANSWER, "…")


def test_cleaning_keeps_what_people_write() -> None:
    assert cleaned("Zoë 🚆\n\tאבג", longest=99) == "Zoë 🚆\n\tאבג"


@pytest.mark.case(49)
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
async def test_the_key_is_in_no_log_line_and_no_error(
    caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    async with asking(refusal(status, f"Incorrect API key provided: {KEY}")) as (model, _):
        with pytest.raises(Exception) as raised:  # noqa: PT011
            await model.answer(PERIODIC)

        assert KEY not in "".join(traceback.format_exception(raised.value))
        assert KEY not in caplog.text
        assert KEY not in repr(Account(model="m", base_url="u", key=KEY))


async def test_a_check_has_the_model_say_something() -> None:
    async with asking(said("Hello")) as (model, server):
        line = await model.check()

        assert line.startswith("llm:tiny at 127.0.0.1 answered in ")
        assert line.endswith(f"for {TOKENS} tokens")
        assert len(server.asked) == 1


async def test_a_model_without_its_packages_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_ai", None)

    with pytest.raises(MissingExtra, match=r"-m pip install 'pydantic-ai-slim\[openai\]'"):
        async with ModelAssistant.open(Account(model="m", base_url="http://x/v1")):
            pass


async def test_the_clock_of_the_engine_is_what_rests_go_by(clock: ManualClock) -> None:
    async with asking(refusal(429, retry_after="60"), said("Rest."), now=clock.now) as (model, _):
        with pytest.raises(AssistantUnavailable):
            await model.answer(PERIODIC)
        clock.advance(minutes(1))

        assert (await model.answer(PERIODIC)).text == "Rest."
