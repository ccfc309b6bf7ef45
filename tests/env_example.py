"""`.env.example`, made from the settings: `python -m tests.env_example > .env.example`."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from app.settings import every_setting

_HEAD = """\
# Every setting of Steward with its default. Copy this file to .env and uncomment what you change.
# Times are in seconds. Lists are JSON: ["a", "b"].
"""


def env_example() -> str:
    """The whole file."""
    return "\n".join([_HEAD, *map(_entry, every_setting())])


def _entry(setting: tuple[str, Any, str]) -> str:
    variable, default, purpose = setting
    return f"# {purpose}\n#{variable}={_written(default)}\n"


def _written(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case timedelta():
            seconds = value.total_seconds()
            return str(int(seconds)) if seconds.is_integer() else str(seconds)
        case tuple() | dict():
            return json.dumps(value, default=str)
        case SecretStr():
            return value.get_secret_value()
        case Path() | str() | int():
            return str(value)
        case _:
            raise TypeError(f"no way to write {value!r}")


if __name__ == "__main__":
    print(env_example(), end="")
