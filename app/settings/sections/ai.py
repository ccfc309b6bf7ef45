"""The assistant that carries out tasks."""

from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from app.settings.sections.section import Section
from app.settings.values import Span

_LONGEST = timedelta(minutes=4)  # the run that asks has five


class Ai(Section):
    """What answers, and what becomes of tasks that fail."""

    model: str = Field(
        default="",
        max_length=90,
        description="the model that carries out tasks, by its provider's name for it (needs the "
        "extra llm); when empty, rules without any model",
    )
    base_url: str = Field(
        default="https://api.openai.com/v1",
        description="the address of an OpenAI-compatible provider; Ollama's at home is "
        "http://127.0.0.1:11434/v1",
    )
    api_key: SecretStr = Field(
        default=SecretStr(""), description="the provider's key; servers at home need none"
    )
    timeout: Span = Field(
        default=timedelta(minutes=2), description="seconds that a model has for an answer"
    )
    max_tokens: int = Field(
        default=2_000, ge=16, le=1_000_000, description="how many tokens an answer may have"
    )
    pause_after: int = Field(
        default=5,
        ge=1,
        le=1_000,
        description="after how many failures in a row a recurring task is paused, and its owner "
        "told",
    )
    keep: Span = Field(
        default=timedelta(days=30),
        description="seconds that tasks which are over, and the log of tasks' runs, are kept",
    )

    @field_validator("base_url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        if not is_web or parts.username or parts.password or not url.isprintable():
            raise ValueError("must be an address such as https://api.openai.com/v1, without a key")
        return url

    @field_validator("timeout")
    @classmethod
    def _within_a_run(cls, span: timedelta) -> timedelta:
        if span > _LONGEST:
            raise ValueError(f"must be at most {_LONGEST.total_seconds():g} seconds")
        return span
