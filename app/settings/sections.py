"""Every setting, by what it is about: its type, its default, what it is for."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.settings.redis_url import parse_redis_url
from app.settings.values import Address, Limits, Listed, Seconds, Span, Zone

PREFIX = "STEWARD_"
_FEED_SCHEMES = {"http", "https", "webcal", "webcals"}
_SHORTEST_KEY = 32  # characters; as much chance in them as in the 16 bytes of a signature


Risk = Literal["no-persistence", "eviction", "no-authentication", "old-version"]


class Section(BaseModel):
    """A group of settings; what it doesn't know, the reader names."""

    model_config = {"extra": "ignore", "frozen": True}


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
        description="redis://, rediss:// (TLS) or unix:// URL, or redis+sentinel://user:password@"
        "host1:26379,host2:26379/master/0; when empty, Steward runs its own Valkey",
    )
    patience: Span = Field(
        default=timedelta(seconds=2.5),
        description="seconds that an enqueue may take until it is an error",
    )
    accept: Annotated[tuple[Risk, ...], *Listed] = Field(
        default=(),
        description="JSON list of what a server of one's own may lack, where it would be refused: "
        "no-persistence, eviction, no-authentication, old-version",
    )

    @field_validator("url")
    @classmethod
    def _understood(cls, url: SecretStr | None) -> SecretStr | None:
        text = url.get_secret_value() if url else ""
        if not text:
            return None
        parse_redis_url(text)
        return url


class Queues(Section):
    """How much waits in them."""

    room: Annotated[dict[str, int], *Limits] = Field(
        default={},
        description="JSON: how many runs a queue may hold, waiting and running; an enqueue past "
        'that is refused; {"email": 15000}',
    )


class Signing(Section):
    """How payloads are signed, so that nobody who can write to Redis can make Steward act."""

    keys: Annotated[tuple[SecretStr, ...], *Listed] = Field(
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

    processes: int = Field(
        default=1,
        ge=1,
        le=1_000,
        description="how many worker processes `steward worker` and `start` keep alive",
    )
    concurrency: int = Field(
        default=100, ge=1, le=10_000, description="how many runs at once, in each process"
    )
    lease: Span = Field(
        default=timedelta(seconds=8),
        description="seconds until the runs of a killed worker are taken over",
    )
    poll: Span = Field(
        default=timedelta(seconds=1.5),
        description="seconds between two looks at the queues when Redis tells of no change",
    )
    grace: Seconds = Field(
        default=timedelta(seconds=10),
        description="seconds that running runs get to finish when the worker stops",
    )
    abandon_after: Seconds = Field(
        default=timedelta(seconds=10),
        description="seconds that a cancelled run gets to clean up; one that goes on is given up",
    )
    keep_result: Seconds = Field(
        default=timedelta(hours=1), description="seconds a result can be read; 0 keeps none"
    )
    open_within: Span = Field(
        default=timedelta(minutes=1),
        description="seconds a worker has to open what it needs, and to close it",
    )
    max_crashes: int = Field(
        default=3,
        ge=1,
        le=100,
        description="how many workers a run may take down with it before it is a dead letter",
    )
    keep_dead: Seconds = Field(
        default=timedelta(0),
        description="seconds a dead letter is kept; 0 is until it is retried or dropped",
    )
    max_block: Span = Field(
        default=timedelta(seconds=120),
        description="seconds a job may block the worker before the process ends itself",
    )
    max_runs: int = Field(
        default=0,
        ge=0,
        description="after how many runs a worker process is replaced by a fresh one, as Celery's "
        "max-tasks-per-child; 0 is never",
    )
    max_memory: int = Field(
        default=0,
        ge=0,
        description="MiB of resident memory at which a worker process is replaced by a fresh one; "
        "0 is never",
    )
    turn: int = Field(
        default=8,
        ge=2,
        description="every so many claims, one starts at a lower queue: a smaller number gives the "
        "less urgent a larger share",
    )
    limits: Annotated[dict[str, int], *Limits] = Field(
        default={},
        description="JSON: how many runs of a queue one worker has at once, where less than all "
        'its slots; {"maintenance": 2}',
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
    in_doubt: Literal["repeat", "ask"] = Field(
        default="repeat",
        description="when a crash leaves open whether a mail was sent: repeat sends it again under "
        "the same Message-ID, ask leaves it to `steward effects`",
    )
    smtp: Smtp = Smtp()


class Calendar(Section):
    """Where events come from, beside the .ics files in the home's calendar folder."""

    feeds: Annotated[tuple[SecretStr, ...], *Listed] = Field(
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

    temp_folders: Annotated[tuple[Path, ...], *Listed] = Field(
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
    queues: Queues = Queues()
    signing: Signing = Signing()
    worker: WorkerProcess = WorkerProcess()
    mail: Mail = Mail()
    calendar: Calendar = Calendar()
    files: Files = Files()
    log: Log = Log()
