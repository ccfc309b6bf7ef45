"""What the assistant is asked, what it says, and the contract of whatever answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from app.storage.task import ScheduleType, TaskType

Keep = Callable[[str, Callable[[], Awaitable[bytes]]], Awaitable[bytes]]
"""Given a name and a question: its answer, asked for now or kept since an earlier attempt."""


async def kept_nowhere(_name: str, ask: Callable[[], Awaitable[bytes]]) -> bytes:
    """Ask, whatever was asked before."""
    return await ask()


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
    """What the assistant said, and how it came to it: "rules", "extractive", "llm:" and a model."""

    text: str
    method: str
    _: KW_ONLY
    tokens: int = 0
    """What it has cost, where something was paid."""


class Assistant(Protocol):
    """Carries out tasks."""

    async def answer(self, request: AiRequest, keep: Keep = kept_nowhere, /) -> Answer:
        """Carry the task out. Raises `AssistantError`, or `RefusedByAssistant` for good.

        What is paid on the way is asked through `keep`.
        """
        ...

    async def check(self) -> str:
        """Say in one line what answers here; raises `AssistantError` when it can't."""
        ...

    async def reach(self) -> None:
        """Raise what keeps it from answering, as far as that can be learned for nothing."""
        ...
