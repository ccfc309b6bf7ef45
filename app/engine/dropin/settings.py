"""An arq project's settings, read as arq means them: a class, one that inherits, or a dict.

What isn't in it has arq's default; what arq doesn't know is the project's own business. Some
options say how arq's loop works, and ours works otherwise: `remarks` tells of those that are set.
One that can't be honoured at all is refused.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo
from typing import Any, cast

import arq.worker
import msgspec
from arq.connections import RedisSettings
from arq.constants import health_check_key_suffix
from arq.cron import CronJob
from arq.jobs import Deserializer, Serializer
from arq.worker import Function, func
from dateutil.tz import gettz

from app.engine.errors import DeclarationError

Hook = Callable[[dict[Any, Any]], Awaitable[Any]]

_UNHEEDED: dict[str, tuple[Any, str]] = {  # unless it has this value
    "poll_delay": (None, "nothing is polled, the server tells of new work"),
    "queue_read_limit": (None, "nothing is polled, the server tells of new work"),
    "handle_signals": (True, "signals are always heeded"),
    "allow_abort_jobs": (True, "jobs can always be aborted"),
    "log_results": (False, "results are never logged"),
}
_AS_THEY_ARE = (
    "on_startup",
    "on_shutdown",
    "on_job_start",
    "on_job_end",
    "after_job_end",
    "retry_jobs",
    "keep_result_forever",
)
_NUMBERS = ("max_jobs", "max_burst_jobs", "max_tries", "expires_extra_ms")
_SPANS = ("keep_result", "job_completion_wait", "health_check_interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArqSettings:
    """What an arq worker would be given."""

    functions: tuple[Function, ...]
    cron_jobs: tuple[CronJob, ...]
    queue_name: str
    redis: RedisSettings
    ctx: dict[Any, Any]
    on_startup: Hook | None
    on_shutdown: Hook | None
    on_job_start: Hook | None
    on_job_end: Hook | None
    after_job_end: Hook | None
    serializer: Serializer | None
    deserializer: Deserializer | None
    timezone: tzinfo
    burst: bool
    max_burst_jobs: int
    max_jobs: int
    max_tries: int
    retry_jobs: bool
    job_timeout: timedelta | None
    keep_result: timedelta
    keep_result_forever: bool
    job_completion_wait: timedelta
    health_check_key: str
    health_check_interval: timedelta
    expires_extra_ms: int
    remarks: tuple[str, ...]
    """What the project should know of the options it has set."""


def read_arq_settings(source: object) -> ArqSettings:
    """Read a settings class or dict; raises `DeclarationError` for what can't be run."""
    given = _given(source)
    value = _defaults() | given
    if given.get("redis_pool") is not None or value["queue_name"] is None:
        raise DeclarationError("redis_pool can't be used here: give redis_settings and queue_name")
    return ArqSettings(
        **_work(value),
        **_place(value),
        **_limits(value),
        **{name: value[name] for name in _AS_THEY_ARE},
        burst=bool(value["burst"]),
        remarks=tuple(_remarks(given)),
    )


def _work(value: Mapping[str, Any]) -> dict[str, Any]:
    cron_jobs = tuple(value["cron_jobs"] or ())
    functions = tuple(_functions(value["functions"], cron_jobs))
    return {"functions": functions, "cron_jobs": cron_jobs, "ctx": value["ctx"] or {}}


def _place(value: Mapping[str, Any]) -> dict[str, Any]:
    queue_name = str(value["queue_name"])
    return {
        "queue_name": queue_name,
        "redis": value["redis_settings"] or RedisSettings(),
        "serializer": value["job_serializer"],
        "deserializer": value["job_deserializer"],
        "timezone": value["timezone"] or gettz() or UTC,
        "health_check_key": value["health_check_key"] or queue_name + health_check_key_suffix,
    }


def _limits(value: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: _number(name, value[name]) for name in _NUMBERS}
    if numbers["max_burst_jobs"] == 0:
        raise DeclarationError("max_burst_jobs is 0: nothing would ever run")
    spans = {name: _span(name, value[name]) for name in _SPANS}
    timeout = value["job_timeout"]
    own = None if timeout is None else _span("job_timeout", timeout)
    return {**numbers, **spans, "job_timeout": own}


def _number(name: str, given: object) -> int:
    try:
        return msgspec.convert(given, int)
    except msgspec.ValidationError:
        raise DeclarationError(f"{name} must be a number, not {given!r}") from None


def _span(name: str, given: Any) -> timedelta:
    try:
        return span(given)
    except (TypeError, ValueError, OverflowError):
        said = f"{name} must be seconds or a timedelta, not {given!r}"
        raise DeclarationError(said) from None


def span(length: float | timedelta) -> timedelta:
    """A length of time, which arq writes in seconds or as it is."""
    return length if isinstance(length, timedelta) else timedelta(seconds=length)


def _defaults() -> dict[str, Any]:
    options = inspect.signature(arq.worker.Worker).parameters.values()
    return {each.name: each.default for each in options}


def _given(source: object) -> dict[str, Any]:
    """The options that are set; arq itself overlooks those that a class inherits."""
    if isinstance(source, Mapping):
        options = cast("Mapping[str, Any]", source)
        return {name: options[name] for name in _defaults() if name in options}
    return {name: getattr(source, name) for name in _defaults() if hasattr(source, name)}


def _functions(given: Any, cron_jobs: tuple[Any, ...]) -> list[Function]:
    if not all(isinstance(each, CronJob) for each in cron_jobs):
        raise DeclarationError("cron_jobs must be made by arq.cron")
    try:
        functions = [func(each) for each in given]
    except (RuntimeError, ImportError) as error:
        raise DeclarationError(f"functions: {error}") from error
    if not functions and not cron_jobs:
        raise DeclarationError("there is no function and no cron job: nothing could ever run")
    return functions


def _remarks(given: Mapping[str, Any]) -> Iterator[str]:
    for name, (usual, why) in _UNHEEDED.items():
        if name in given and given[name] != usual:
            yield f"{name}: {why}"
