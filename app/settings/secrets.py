"""Every secret among the settings, for whoever blanks them."""

from collections.abc import Iterator
from typing import cast

from pydantic import BaseModel, SecretStr


def secrets_in(section: BaseModel) -> Iterator[str]:
    """Every secret in these settings, wherever it stands."""
    for _, value in section:
        yield from _secrets_of(value)


def _secrets_of(value: object) -> Iterator[str]:
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
