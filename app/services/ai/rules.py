"""The assistant that is there without any model.

A reminder is its own words, anything else is summed up from what the task itself says. It makes
nothing up, and every answer names how it was made.
"""

from app.services.ai.assistant import AiRequest, Answer, Keep, Method, kept_nowhere
from app.services.summary import summarize
from app.storage.task import TaskType


class RuleAssistant:
    """Works offline, always says the same, and says so."""

    async def answer(self, request: AiRequest, _keep: Keep = kept_nowhere) -> Answer:
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

    async def reach(self) -> None:
        """Nothing keeps it."""


def _reminder(request: AiRequest) -> str:
    about = f"Reminder: {request.title}"
    return f"{about}\n{request.description}" if request.description else about
