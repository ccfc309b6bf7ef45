"""Logging as the settings want it, with all their secrets blanked."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pydantic import BaseModel

    from app.settings import Settings


def log_as_set(settings: "Settings", *, as_json: bool = False) -> None:
    """Show log lines on stderr, from the level of the settings on."""
    from app.observability.logging import configure_logging

    configure_logging(settings.log.level, as_json=as_json, secrets=secrets_in(settings))


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
