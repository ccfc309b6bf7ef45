"""Reading the settings, from the environment and from a `.env` file.

The file lies in the working directory, or in the project's folder if the scripts say where that is;
a relative home lies beside it. What is wrong is refused in one line that names the variable.
"""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, cast

from dotenv import dotenv_values
from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from app.settings.sections import PREFIX, Section, Settings

_PROJECT = "STEWARD_PROJECT"  # set by the scripts: the folder they are in
_FIELD = re.compile(r'field "(\w+)"')
_NOT_SETTINGS = {_PROJECT, "STEWARD_PYTHON", "STEWARD_TEST_REQUIRE"}


def read_settings() -> Settings:
    """The settings, or one line for each thing that is wrong with them and exit code 1.

    A variable that begins like ours and is none of ours is named in a warning: it is misspelt.
    """
    folder, make = Path(os.environ.get(_PROJECT, "")), cast("Callable[..., Settings]", Settings)
    file = folder / ".env"
    for name in sorted(_unknown([*os.environ, *dotenv_values(file)])):
        _warn(name)
    try:
        settings = make(_env_file=file)
    except ValidationError as error:
        _refuse(error)
    except SettingsError as error:  # a whole section given at once, and not as JSON
        _complain(_section_in(str(error)))
        raise SystemExit(1) from None
    if f"{PREFIX}HOME" in os.environ:
        return settings
    return settings.model_copy(update={"home": folder / settings.home})


def every_setting() -> Iterator[tuple[str, Any, str]]:
    """Each variable, its default, and what it is for: the contents of `.env.example`."""
    return _within(Settings, PREFIX)


def _within(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any, str]]:
    for name, field in section.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        if isinstance(field.default, Section):
            yield from _within(type(field.default), f"{variable}__")
        else:
            yield variable, field.default, field.description or ""


def _unknown(variables: Iterable[str]) -> set[str]:
    known = {variable for variable, _, _ in every_setting()}
    sections = {variable.partition("__")[0] for variable in known}
    ours = {name for name in variables if name.startswith(PREFIX)}
    return ours - known - sections - _NOT_SETTINGS


def _refuse(error: ValidationError) -> NoReturn:
    for each in error.errors(include_input=False, include_url=False):
        names = [part for part in each["loc"] if isinstance(part, str)]
        places = [f", item {part + 1}" for part in each["loc"] if isinstance(part, int)]
        name = PREFIX + "__".join(names).upper() + "".join(places)
        _complain(f"{name}: {each['msg'].removeprefix('Value error, ')}")
    raise SystemExit(1)


def _section_in(error: str) -> str:
    """What is wrong with a section that was given at once, which pydantic says in its own words."""
    found = _FIELD.search(error)
    name = f"{PREFIX}{found[1].upper()}" if found else f"{PREFIX}..."
    return f"{name}: set what is in it one by one, as {name}__..., or all of it as JSON"


@cache
def _warn(name: str) -> None:
    """Once a process, which may read its settings several times."""
    known = [variable for variable, _, _ in every_setting()]
    close = get_close_matches(name, known, n=1, cutoff=0.8)
    hint = f", did you mean {close[0]}?" if close else ""
    _complain(f"{name}: there is no such setting{hint}")


def _complain(line: str) -> None:
    """As everything is that goes wrong in a command."""
    print(f"steward: {line}", file=sys.stderr)
