"""The assistant that asks a model.

Its answers come from outside, and are data: cleaned, cut to a length, shown to the task's owner and
never executed. A provider that asks to wait is left alone for so long by everybody in this process;
the workers' breaker sees to the others. A reminder does not wait for anybody: where the model has
nothing to say in time, it is its own words.
"""

import logging
import sys
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from importlib.util import find_spec
from time import monotonic
from typing import TYPE_CHECKING
from unicodedata import category
from urllib.parse import urlsplit

import anyio
from anyio.to_thread import run_sync

from app.services.ai.account import Account
from app.services.ai.assistant import AiRequest, Answer, Keep, kept_nowhere
from app.services.ai.errors import (
    AssistantError,
    AssistantUnavailable,
    MissingExtra,
    QuotaUsedUp,
    RefusedByAssistant,
    UnknownModel,
    UnusableAnswer,
)
from app.services.ai.model_list import list_models
from app.services.ai.prompts import content, instructions
from app.services.ai.quota import Quota
from app.services.ai.rules import RuleAssistant
from app.storage.clock import Now, utc_now
from app.storage.task import ScheduleType, TaskType

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from app.services.ai.provider import Provider

log = logging.getLogger(__name__)

LONGEST_ANSWER = 8_000  # characters; a notice holds ten thousand
_LONGEST_REASON = 300
_PATIENCE = timedelta(seconds=20)  # of a reminder
_TURNING = range(0x202A, 0x202F), range(0x2066, 0x206A)  # they show a text in another order


class ModelAssistant:
    """Asks one model of one account."""

    def __init__(self, account: Account, *, quota: Quota | None = None, now: Now = utc_now) -> None:
        self._account = account
        self._quota = quota
        self._now = now
        self._own_words = RuleAssistant()
        self._opening = anyio.Lock()
        self._provider: Provider | None = None
        self._rests_until: datetime | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls, account: Account, *, quota: Quota | None = None, now: Now = utc_now
    ) -> "AsyncGenerator[ModelAssistant]":
        """Connects when it is first asked. Raises `MissingExtra`.

        `quota` is what all processes know of the account's.
        """
        if not (_is_installed("pydantic_ai") and _is_installed("openai")):
            raise MissingExtra(
                f"the model {account.model!r} needs more packages: "
                f"{sys.executable} -m pip install 'pydantic-ai-slim[openai]'"
            )
        assistant = cls(account, quota=quota, now=now)
        try:
            yield assistant
        finally:
            if assistant._provider is not None:
                with anyio.CancelScope(shield=True):
                    await assistant._provider.close()

    async def answer(self, request: AiRequest, keep: Keep = kept_nowhere) -> Answer:
        """What the model makes of the task. See `errors` for what it raises instead."""
        if request.task_type is not TaskType.REMINDER:
            return await self._ask(request, keep)
        try:
            with anyio.fail_after(_PATIENCE.total_seconds()):
                return await self._ask(request, keep)
        except (AssistantError, TimeoutError, RefusedByAssistant, UnusableAnswer) as error:
            name = type(error).__name__  # its text may be the model's
            log.warning("Reminder %s is told in its own words: %s.", request.task_id, name)
            return await self._own_words.answer(request)

    async def check(self) -> str:
        """Have the model answer something small, and say who did."""
        started = monotonic()
        answer = await self._ask(_greeting(self._now()), kept_nowhere)
        took, host = monotonic() - started, urlsplit(self._account.base_url).hostname
        return f"{answer.method} at {host} answered in {took:.1f} s, for {answer.tokens} tokens"

    async def reach(self) -> None:
        """Look whether the provider is there and takes the key; it is not asked to answer.

        That its quota is used up is known from the last time it was, and so is that it has no such
        model, unless it says that for nothing.
        """
        if self._quota:
            await self._quota.check()
        self._refuse_while_resting()
        await list_models(self._account)

    async def _ask(self, request: AiRequest, keep: Keep) -> Answer:
        self._refuse_while_resting()
        seconds = self._account.timeout.total_seconds()
        provider = await self._opened()
        try:
            with anyio.fail_after(seconds):
                said, tokens = await provider.ask(instructions(request), content(request), keep)
        except TimeoutError:
            raise AssistantUnavailable(f"no answer within {seconds:g} s") from None
        except AssistantUnavailable as error:
            if error.retry_after is not None:
                self._rests_until = self._now() + error.retry_after
            if self._quota and isinstance(error, QuotaUsedUp):
                await self._quota.used_up()
            raise
        except UnknownModel as error:
            named = UnknownModel(f"{error}: {self._account.model!a}")
            if self._quota:
                await self._quota.unknown_model(str(named))
            raise named from None
        if self._quota:
            await self._quota.answered()
        text = cleaned(said.message, longest=LONGEST_ANSWER)
        if not said.done:
            raise RefusedByAssistant(f"the model can't do it: {text[:_LONGEST_REASON]}")
        if not text:
            raise UnusableAnswer("the model's answer is empty")
        return Answer(text, f"llm:{self._account.model}", tokens=tokens)

    def _refuse_while_resting(self) -> None:
        left = self._rests_until - self._now() if self._rests_until else timedelta(0)
        if left > timedelta(0):
            raise AssistantUnavailable("the provider has asked to wait", retry_after=left)

    async def _opened(self) -> "Provider":
        async with self._opening:
            if self._provider is None:
                self._provider = await run_sync(self._open)
            return self._provider

    def _open(self) -> "Provider":
        from app.services.ai.provider import Provider  # takes seconds, and is not always there

        return Provider(self._account)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # somebody has forbidden its import
        return False


def cleaned(text: str, *, longest: int) -> str:
    """A text from outside, without what steers a terminal or turns a line around, and cut."""
    shown = "".join(filter(_is_harmless, text.replace("\r\n", "\n"))).strip()
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def _is_harmless(character: str) -> bool:
    if character in "\n\t":
        return True
    is_turning = any(ord(character) in each for each in _TURNING)
    return not is_turning and category(character) not in ("Cc", "Cs")


def _greeting(now: datetime) -> AiRequest:
    """A task that costs little."""
    return AiRequest(
        task_id=0,
        user_id=0,
        title="Say hello in one word",
        description="",
        task_type=TaskType.AUTOMATED,
        schedule_type=ScheduleType.ONCE,
        schedule_config={},
        ai_context="",
        channels=(),
        created_at=now,
        last_run_at=None,
        now=now,
    )
