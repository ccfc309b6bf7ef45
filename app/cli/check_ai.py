"""What `steward check ai` says: who answers, or which setting to change for somebody to answer."""

import sys
from typing import TYPE_CHECKING

from app.cli.failures import NotDone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.context import Services
    from app.settings import Ai

_ADVICE = {
    "QuotaUsedUp": "then call this again",
    "KeyRefused": "put the provider's key into .env as STEWARD_AI__API_KEY",
    "UnknownModel": "look at STEWARD_AI__MODEL, and whether STEWARD_AI__BASE_URL ends as the "
    "provider says, most often in /v1",
    "RefusedByAssistant": "another STEWARD_AI__MODEL may do it",
    "UnusableAnswer": "the model is too small or STEWARD_AI__MAX_TOKENS too few: try another "
    "STEWARD_AI__MODEL",
    "AssistantUnavailable": "look at STEWARD_AI__BASE_URL and STEWARD_AI__TIMEOUT, and whether the "
    "provider is up",
}
_FIRST = (
    "to have a model carry out tasks, put into .env, for OpenAI or anything that speaks its way:",
    "  STEWARD_AI__MODEL=the provider's name for the model",
    "  and the provider's key as STEWARD_AI__API_KEY",
    "or for Ollama on this machine:",
    "  STEWARD_AI__MODEL=llama3.2",
    "  STEWARD_AI__BASE_URL=http://127.0.0.1:11434/v1",
    f"then {sys.executable} -m pip install 'pydantic-ai-slim[openai]', and call this again",
)


async def assistant_lines(services: "Services", ai: "Ai") -> "Iterable[str]":
    """Have the assistant answer something small. Raises `NotDone` with the setting to change."""
    try:
        line = await services.ai.check()
    except Exception as error:
        advice = _advice(error)
        if advice is None:
            raise
        raise NotDone(f"{error}: {advice}") from None
    if not ai.model:
        return [line, *_FIRST]
    more = "reminders do not wait for it: where it has nothing to say they are told in own words"
    return [line, more]


def _advice(error: Exception) -> str | None:
    return next((_ADVICE[c.__name__] for c in type(error).__mro__ if c.__name__ in _ADVICE), None)
