"""Where everything but the queues is remembered."""

from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from app.settings.sections.section import Section
from app.settings.values import Span

_LONGEST = timedelta(hours=6)  # the job that does it has seven
_SCHEMES = ("postgresql://", "postgres://")
_ESCAPED = "what is no letter and no digit in a password must be written as %23 and the like"


class Database(Section):
    """Where everything but the queues is remembered."""

    url: SecretStr | None = Field(
        default=None,
        description="postgresql://user:password@host:5432/name, for workers on several machines; "
        "when empty, Steward keeps a SQLite file in its home",
    )

    upkeep_within: Span = Field(
        default=timedelta(hours=1),
        description="seconds that the weekly upkeep of the database may take, up to 21600",
    )

    @field_validator("upkeep_within")
    @classmethod
    def _in_time(cls, within: timedelta) -> timedelta:
        if within > _LONGEST:
            raise ValueError("must be at most 21600 seconds")
        return within

    @field_validator("url")
    @classmethod
    def _understood(cls, url: SecretStr | None) -> SecretStr | None:
        text = url.get_secret_value() if url else ""
        if not text:
            return None
        _refuse_misfit(text)
        return url


def _refuse_misfit(text: str) -> None:
    """Raises `ValueError`, which repeats nothing of what was written."""
    if not text.startswith(_SCHEMES):
        raise ValueError("must begin with postgresql://")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # says what was written
        raise ValueError(f"the port must be a number up to 65535; {_ESCAPED}") from None
    if "#" in text or "@" in parts.path:
        raise ValueError(_ESCAPED)
    if port == 0 or not parts.path.strip("/"):
        raise ValueError("must name the database: postgresql://user@host/name")
