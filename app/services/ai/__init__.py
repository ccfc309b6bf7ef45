"""The assistant that carries out users' tasks.

errors      an answer that did not come: for now, or for good
assistant   what it is asked, what it says, and the contract
rules       without any model: deterministic, and says so
model       asks a model (account) in its words (prompts), through a provider (capped)
quota       whether the last request met an account without money
model_list  asks the provider what costs nothing
scripted    as told, for tests
"""

from app.services.ai.account import Account
from app.services.ai.assistant import AiRequest, Answer, Assistant, Keep, Method, kept_nowhere
from app.services.ai.errors import (
    AssistantError,
    AssistantUnavailable,
    KeyRefused,
    MissingExtra,
    QuotaUsedUp,
    RefusedByAssistant,
    UnknownModel,
    UnusableAnswer,
)
from app.services.ai.model import ModelAssistant
from app.services.ai.quota import Quota
from app.services.ai.rules import RuleAssistant
from app.services.ai.scripted import ScriptedAssistant

__all__ = [
    "Account",
    "AiRequest",
    "Answer",
    "Assistant",
    "AssistantError",
    "AssistantUnavailable",
    "Keep",
    "KeyRefused",
    "Method",
    "MissingExtra",
    "ModelAssistant",
    "Quota",
    "QuotaUsedUp",
    "RefusedByAssistant",
    "RuleAssistant",
    "ScriptedAssistant",
    "UnknownModel",
    "UnusableAnswer",
    "kept_nowhere",
]
