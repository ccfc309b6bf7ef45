"""Logging as the settings want it, with all their secrets blanked."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pydantic import BaseModel

    from app.settings import Settings


def settings_with_logs(*, as_json: bool) -> "Settings":
    """The settings, with log lines shown on stderr from their level on."""
    from app.observability.logging import configure_logging
    from app.settings import read_settings

    settings = read_settings()
    configure_logging(settings.log.level, as_json=as_json, secrets=secrets_in(settings))
    return settings


def secrets_in(section: "BaseModel") -> Iterator[str]:
    """Every secret in these settings, wherever it stands."""
    for _, value in section:
        yield from _secrets_of(value)


def _secrets_of(value: object) -> Iterator[str]:
    from pydantic import BaseModel, SecretStr

    match value:
        case SecretStr():
            yield value.get_secret_value()
        case BaseModel():
            yield from secrets_in(value)
        case tuple():
            for each in cast("tuple[object, ...]", value):
                yield from _secrets_of(each)
        case _:
            pass
