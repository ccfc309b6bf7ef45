"""The assistant that carries out users' tasks.

    errors      an answer that did not come: for now, or for good
    assistant   what it is asked, what it says, and the contract
    rules       without any model: deterministic, and says so
    scripted    as told, for tests
"""

from app.services.ai.assistant import AiRequest, Answer, Assistant, Method
from app.services.ai.errors import AssistantError, AssistantUnavailable, RefusedByAssistant
from app.services.ai.rules import RuleAssistant
from app.services.ai.scripted import ScriptedAssistant

__all__ = [
    "AiRequest",
    "Answer",
    "Assistant",
    "AssistantError",
    "AssistantUnavailable",
    "Method",
    "RefusedByAssistant",
    "RuleAssistant",
    "ScriptedAssistant",
]
