from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.services.ai import (
    AiRequest,
    Answer,
    Assistant,
    AssistantError,
    AssistantUnavailable,
    Method,
    RefusedByAssistant,
    RuleAssistant,
    ScriptedAssistant,
)
from app.storage.task import ScheduleType, TaskType

REQUEST = AiRequest(
    task_id=7,
    user_id=1,
    title="Call Ann",
    description="",
    task_type=TaskType.REMINDER,
    schedule_type=ScheduleType.ONCE,
    schedule_config={},
    ai_context="",
    channels=("in_app",),
    created_at=datetime(2026, 11, 23, tzinfo=UTC),
    last_run_at=None,
    now=datetime(2026, 11, 24, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("description", "text"),
    [("", "Reminder: Call Ann"), ("About the roof.", "Reminder: Call Ann\nAbout the roof.")],
)
async def test_a_reminder_is_its_own_words(description: str, text: str) -> None:
    answer = await RuleAssistant().answer(replace(REQUEST, description=description))

    assert answer == Answer(text, "rules")


async def test_a_task_is_summed_up_from_its_context() -> None:
    request = replace(
        REQUEST,
        task_type=TaskType.PERIODIC,
        title="The week",
        ai_context="Hello! The invoice of 40 € is due on Friday. The sky is blue.",
    )

    answer = await RuleAssistant().answer(request)

    assert answer.method == Method.EXTRACTIVE
    assert answer.text.startswith("The week: The invoice of 40 € is due on Friday.")


async def test_a_task_that_says_nothing_gets_no_invented_answer() -> None:
    answer = await RuleAssistant().answer(replace(REQUEST, task_type=TaskType.PERIODIC))

    assert answer == Answer("Call Ann: it is time for it.", "rules")


async def test_the_same_request_has_the_same_answer() -> None:
    assistants = RuleAssistant(), RuleAssistant()

    first, second = [await each.answer(REQUEST) for each in assistants]

    assert first == second


async def test_a_check_says_that_no_model_is_configured() -> None:
    assert await RuleAssistant().check() == "rules, no model configured"


async def test_a_scripted_assistant_fails_as_told_and_remembers() -> None:
    assistant: Assistant = (scripted := ScriptedAssistant("yes", errors=(AssistantError("no"),)))

    with pytest.raises(AssistantError, match="no"):
        await assistant.answer(REQUEST)

    assert await assistant.answer(REQUEST) == Answer("yes", "scripted")
    assert await assistant.check() == "scripted, for tests"
    assert scripted.asked == [REQUEST, REQUEST]


def test_a_provider_that_asks_to_wait_says_how_long() -> None:
    error = AssistantUnavailable("busy", retry_after=timedelta(minutes=3))

    assert error.retry_after == timedelta(minutes=3)
    assert isinstance(error, ConnectionError)
    assert issubclass(RefusedByAssistant, PermissionError)
