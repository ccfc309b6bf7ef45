"""Run each job's tests while the job does nothing: `python -m tests.jobs.emptied`.

A job is emptied in two ways. `nothing` returns None; `pretending` returns what looks like a good
result, as placeholders do. Prints a line for each: pytest's exit code, the way, the job. A code of
1 is as it should be: a test has noticed.
"""

import dataclasses
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from datetime import UTC, datetime
from enum import Enum
from io import StringIO
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from app.engine import Job
from app.jobs import JOBS

AnyJob = Job[Any, ..., Any]
Body = Callable[..., Awaitable[Any]]

_HERE = Path(__file__).parent
_OPTIONS = ("-x", "-q", "--assert=plain", "--show-capture=no", "--tb=line")


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
    if origin := get_origin(kind):
        return origin()
    return datetime.now(UTC) if kind is datetime else kind(1)


def _good_record(kind: Any) -> Any:
    hints = get_type_hints(kind)
    wanted = [each.name for each in dataclasses.fields(kind) if each.init]
    return kind(**{name: _good(hints[name]) for name in wanted})


def tests_of(job: AnyJob) -> list[str]:
    """The files of tests that mention the job."""
    name = job.name.rpartition(".")[2]
    files = sorted(_HERE.glob("test_*.py"))
    return [str(each) for each in files if name in each.read_text() and each.stem != "test_jobs"]


def notice(job: AnyJob, body: Body) -> int:
    """Run the job's tests with another body in it; returns pytest's exit code."""
    function = job.function
    object.__setattr__(job, "function", body)  # what every caller of the job calls
    try:
        with redirect_stdout(StringIO()):
            return int(pytest.main([*_OPTIONS, *tests_of(job)]))
    finally:
        object.__setattr__(job, "function", function)


if __name__ == "__main__":
    for job in JOBS.values():
        for way in (nothing, pretending):
            print(notice(job, way(job)), way.__name__, job.name, flush=True)
    sys.exit(0)
