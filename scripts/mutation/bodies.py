"""What stands in an emptied job's place."""

import dataclasses
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from app.engine import Job

AnyJob = Job[Any, ..., Any]
Body = Callable[..., Awaitable[Any]]
Way = Callable[[AnyJob], Body]


def nothing(_job: AnyJob) -> Body:
    """A body that does nothing."""

    async def body(*_args: object, **_options: object) -> None:
        return None

    return body


def pretending(job: AnyJob) -> Body:
    """A body that does nothing and says that all went well."""
    result = _good(get_type_hints(job.function)["return"])

    async def body(*_args: object, **_options: object) -> object:
        return result

    return body


def _good(kind: Any) -> Any:
    """The most promising value of this type: an enum's first, true, one, now."""
    if dataclasses.is_dataclass(kind):
        return _good_record(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    if isinstance(kind, UnionType):
        return _good(next(each for each in get_args(kind) if each is not NoneType))
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    if origin := get_origin(kind):
        return {} if issubclass(origin, Mapping) else _empty(origin)
    return datetime.now(UTC) if kind is datetime else kind(1)


def _empty(origin: Any) -> Any:
    return () if getattr(origin, "__abstractmethods__", None) else origin()


def _good_record(kind: Any) -> Any:
    hints = get_type_hints(kind)
    wanted = [each.name for each in dataclasses.fields(kind) if each.init]
    return kind(**{name: _good(hints[name]) for name in wanted})


def itself(job: AnyJob) -> Body:
    """The job's own body: for a look whether it is the emptiness that tests notice."""
    return job.function


WAYS: Mapping[str, Way] = {"nothing": nothing, "pretending": pretending}


@contextmanager
def emptied(job: AnyJob, body: Body) -> Generator[None]:
    """The job with another body, while the block lasts."""
    function = job.function
    object.__setattr__(job, "function", body)  # what every caller of the job calls
    try:
        yield
    finally:
        object.__setattr__(job, "function", function)
