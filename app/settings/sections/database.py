"""Where everything but the queues is remembered."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from app.settings.sections.section import Section

_SCHEMES = ("postgresql://", "postgres://")
_ESCAPED = "what is no letter and no digit in a password must be written as %23 and the like"


class Database(Section):
    """Where everything but the queues is remembered."""

    url: SecretStr | None = Field(
        default=None,
        description="postgresql://user:password@host:5432/name, for workers on several machines; "
        "when empty, Steward keeps a SQLite file in its home",
    )

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
