"""Everything that can be configured; the only reader of the environment.

A variable is `STEWARD_` and the path to the setting, joined by two underscores:
`STEWARD_MAIL__SMTP__HOST`. A `.env` file in the working directory is read too. What is wrong is
refused at start, in one line that names the variable.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

PREFIX = "STEWARD_"
_FEED_SCHEMES = {"http", "https", "webcal", "webcals"}
_NOT_SETTINGS = {"STEWARD_PYTHON", "STEWARD_TEST_REQUIRE"}  # read by the scripts
_SHORTEST_KEY = 32  # characters; as much chance in them as in the 16 bytes of a signature


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Vilnius") from None
    return name


def _address(text: str) -> str:
    name, at, host = text.partition("@")
    if not (name and at and host) or any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError("must be a mail address such as ann@example.com")
    return text


def _seconds(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    try:
        span = timedelta(seconds=float(str(value)))
    except (ValueError, OverflowError):
        raise ValueError("must be a number of seconds") from None
    if span < timedelta(0):
        raise ValueError("must not be less than 0 seconds")
    return span


def _positive(span: timedelta) -> timedelta:
    if not span:
        raise ValueError("must be more than 0 seconds")
    return span


Zone = Annotated[str, AfterValidator(_zone)]
Address = Annotated[str, AfterValidator(_address)]
Seconds = Annotated[timedelta, BeforeValidator(_seconds)]
Span = Annotated[Seconds, AfterValidator(_positive)]


class Section(BaseModel):
    """A group of settings; a name it doesn't know is refused."""

    model_config = {"extra": "forbid", "frozen": True}


class Owner(Section):
    """Who the assistant works for; created as the first user when Steward first starts."""

    name: str = Field(
        default="Owner", min_length=1, max_length=200, description="what to call the owner"
    )
    address: Address = Field(default="owner@localhost", description="where their mail goes")
    timezone: Zone = Field(default="UTC", description="the zone their times are meant in")


class Redis(Section):
    """Where the queues live."""

    url: SecretStr | None = Field(
        default=None,
        description="redis://, rediss:// or unix:// URL; when empty, Steward runs its own Valkey",
    )

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: SecretStr | None) -> SecretStr | None:
        text = url.get_secret_value() if url else ""
        if not text:
            return None
        if not text.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        _ = urlsplit(text).port  # raises for a port that can't be one
        return url


class Signing(Section):
    """How payloads are signed, so that nobody who can write to Redis can make Steward act."""

    keys: tuple[SecretStr, ...] = Field(
        default=(),
        description="JSON list: the key that signs, then older ones still accepted, 32 or more "
        "characters each; when empty, a key is made and kept in the home",
    )

    @field_validator("keys")
    @classmethod
    def _long_enough(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < _SHORTEST_KEY for key in keys):
            raise ValueError("each must have 32 or more characters")
        return keys


class WorkerProcess(Section):
    """How a worker works."""

    concurrency: int = Field(default=100, ge=1, le=10_000, description="how many runs at once")
    lease: Span = Field(
        default=timedelta(seconds=8),
        description="seconds until the runs of a killed worker are taken over",
    )
    poll: Span = Field(
        default=timedelta(seconds=0.2), description="seconds between two looks at a queue"
    )
    grace: Seconds = Field(
        default=timedelta(seconds=10),
        description="seconds that running runs get to finish when the worker stops",
    )
    keep_result: Seconds = Field(
        default=timedelta(hours=1), description="seconds a result can be read; 0 keeps none"
    )
    max_block: Span = Field(
        default=timedelta(seconds=120),
        description="seconds a job may block the worker before the process ends itself",
    )
    recorder: bool = Field(
        default=True, description="whether workers also keep the history of runs"
    )
    accept_plain: bool = Field(
        default=False,
        description="whether to run what plain arq clients enqueue with our serializer",
    )


class Security(StrEnum):
    """How a connection to a mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class Smtp(Section):
    """The server that takes outgoing mail."""

    host: str = Field(
        default="", description="when empty, outgoing mail stays in the home's Maildir"
    )
    port: int = Field(default=587, ge=1, le=65535, description="its port")
    username: str = Field(default="", description="when empty, no login is tried")
    password: SecretStr = Field(default=SecretStr(""), description="its password")
    security: Security = Field(default=Security.STARTTLS, description="none, starttls or tls")


class Mail(Section):
    """Sending mail."""

    sender: Address = Field(
        default="steward@localhost", description="the From of what Steward sends"
    )
    smtp: Smtp = Smtp()


class Calendar(Section):
    """Where events come from, beside the .ics files in the home's calendar folder."""

    feeds: tuple[SecretStr, ...] = Field(
        default=(), description="JSON list of http(s) addresses of .ics feeds"
    )

    @field_validator("feeds")
    @classmethod
    def _web_addresses(cls, feeds: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for each in feeds:
            parts = urlsplit(each.get_secret_value().strip())
            if parts.scheme.lower() not in _FEED_SCHEMES or not parts.hostname or parts.port == 0:
                raise ValueError("each must be an address that begins with https:// or webcal://")
        return feeds


class Files(Section):
    """Folders that Steward keeps tidy."""

    temp_folders: tuple[Path, ...] = Field(
        default=(), description="JSON list of folders to clean; when empty, tmp in the home"
    )
    temp_keep: Span = Field(
        default=timedelta(hours=24), description="seconds a temporary file is left alone"
    )
    log_keep: Span = Field(default=timedelta(days=30), description="seconds a log file is kept")

    @field_validator("temp_folders")
    @classmethod
    def _safe_to_clean(cls, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        for folder in folders:
            if not folder.is_absolute() or folder.resolve() in (Path("/"), Path.home()):
                raise ValueError("each must be an absolute path, and neither / nor your home")
        return folders


class Log(Section):
    """What Steward says about itself."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="the least urgent lines to show"
    )


class Settings(BaseSettings):
    """All settings, read once by the entry point."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=".env",
        extra="ignore",
        frozen=True,
    )

    home: Path = Field(default=Path("var"), description="where Steward keeps its data")
    owner: Owner = Owner()
    redis: Redis = Redis()
    signing: Signing = Signing()
    worker: WorkerProcess = WorkerProcess()
    mail: Mail = Mail()
    calendar: Calendar = Calendar()
    files: Files = Files()
    log: Log = Log()


def read_settings() -> Settings:
    """The settings, or one line for each thing that is wrong with them and exit code 1.

    A variable that begins like ours and is none of ours is named in a warning: it is misspelt.
    """
    for name in sorted(_unknown(os.environ)):
        print(f"{name}: there is no such setting", file=sys.stderr)
    try:
        return Settings()
    except ValidationError as error:
        _refuse(error)
    except SettingsError as error:  # a list that isn't JSON; the message names its section only
        print(f"{PREFIX}: {error}", file=sys.stderr)
        raise SystemExit(1) from None


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
        name = PREFIX + "__".join(str(part) for part in each["loc"]).upper()
        print(f"{name}: {each['msg'].removeprefix('Value error, ')}", file=sys.stderr)
    raise SystemExit(1)
