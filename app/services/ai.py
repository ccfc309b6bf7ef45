"""The assistant that carries out users' tasks.

`RuleAssistant` is there without any model: a reminder is its own words, anything else is summed up
from what the task itself says. It makes nothing up, and every answer names how it was made.

AssistantError             an answer that did not come; worth another try
└── AssistantUnavailable   the provider can't be reached, or asks to wait
RefusedByAssistant         an answer that will not come, however often it is asked for
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from app.services.summary import summarize
from app.storage.task import ScheduleType, TaskType


class AssistantError(OSError):
    """The assistant gave no answer; another try may."""


class AssistantUnavailable(AssistantError, ConnectionError):
    """The provider can't be reached, or asks to wait: `retry_after` is a lower bound."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RefusedByAssistant(PermissionError):
    """The assistant will not do this, and no retry changes its mind."""


class Method(StrEnum):
    """How an answer without a model was made."""

    RULES = "rules"
    EXTRACTIVE = "extractive"


@dataclass(frozen=True, slots=True, kw_only=True)
class AiRequest:
    """One task, and all that the assistant may know when it carries it out."""

    task_id: int
    user_id: int
    title: str
    description: str
    task_type: TaskType
    schedule_type: ScheduleType
    schedule_config: Mapping[str, Any]
    ai_context: str
    channels: tuple[str, ...]
    created_at: datetime
    last_run_at: datetime | None
    now: datetime
    """The current time, in the user's zone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the assistant said, and how it came to it: "rules", "extractive", a model's name."""

    text: str
    method: str


class Assistant(Protocol):
    """Carries out tasks."""

    async def answer(self, request: AiRequest) -> Answer:
        """Carry the task out. Raises `AssistantError`, or `RefusedByAssistant` for good."""
        ...

    async def check(self) -> str:
        """Say in one line what answers here; raises `AssistantError` when it can't."""
        ...


class RuleAssistant:
    """Works offline, always says the same, and says so."""

    async def answer(self, request: AiRequest) -> Answer:
        """The reminder's own words, or the task's context in a few of its sentences."""
        if request.task_type is TaskType.REMINDER:
            return Answer(_reminder(request), Method.RULES)
        material = request.ai_context or request.description
        summary = summarize(material)
        if not summary:
            return Answer(f"{request.title}: it is time for it.", Method.RULES)
        return Answer(f"{request.title}: {summary}", Method.EXTRACTIVE)

    async def check(self) -> str:
        """There is nothing that could be missing."""
        return "rules, no model configured"


def _reminder(request: AiRequest) -> str:
    about = f"Reminder: {request.title}"
    return f"{about}\n{request.description}" if request.description else about


class ScriptedAssistant:
    """Answers as told, for tests: fails with the errors it is given first, and remembers."""

    def __init__(self, text: str = "done", *, errors: tuple[Exception, ...] = ()) -> None:
        self.asked: list[AiRequest] = []
        self.text = text
        self.errors = list(errors)

    async def answer(self, request: AiRequest) -> Answer:
        """Raise the next error, or answer."""
        self.asked.append(request)
        if self.errors:
            raise self.errors.pop(0)
        return Answer(self.text, "scripted")

    async def check(self) -> str:
        """Say what this is."""
        return "scripted, for tests"
