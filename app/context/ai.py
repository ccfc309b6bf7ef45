"""Which assistant the settings ask for."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.context.health import account_of
from app.services.ai import Account, Assistant, ModelAssistant, Quota, RuleAssistant
from app.settings import Settings
from app.storage.cache import Cache
from app.storage.clock import Now
from app.storage.database import Database


@asynccontextmanager
async def open_assistant(
    settings: Settings, database: Database, *, now: Now
) -> AsyncGenerator[Assistant]:
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
    key = f"quota:ai:{account_of(settings, ai)}"
    quota = Quota(Cache(database, now=now), key, now=now)
    async with ModelAssistant.open(account, quota=quota, now=now) as assistant:
        yield assistant
