"""Which assistant the settings ask for."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.services.ai import Account, Assistant, ModelAssistant, RuleAssistant
from app.settings import Settings
from app.storage.clock import Now


@asynccontextmanager
async def open_assistant(settings: Settings, *, now: Now) -> AsyncGenerator[Assistant]:
    """A model where one is named, and rules where none is. Raises `MissingExtra`."""
    ai = settings.ai
    if not ai.model:
        yield RuleAssistant()
        return
    account = Account(
        model=ai.model,
        base_url=ai.base_url,
        key=ai.api_key.get_secret_value(),
        timeout=ai.timeout,
        max_tokens=ai.max_tokens,
    )
    async with ModelAssistant.open(account, now=now) as assistant:
        yield assistant
